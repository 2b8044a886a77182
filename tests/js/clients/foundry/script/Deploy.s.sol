// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

contract Counter {
    event Counted(uint256 number);

    uint256 public number;

    function count(uint256 by) external {
        require(by <= 10, "too many");
        number += by;
        emit Counted(number);
    }
}

contract Deploy {
    Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public IS_SCRIPT = true;

    function run() external {
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.count(5);
        counter.count(6);
        vm.stopBroadcast();
        require(counter.number() == 11);
    }
}
