// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Destroys itself: for good in the transaction that made it (EIP-6780), later only its balance goes.
contract Mayfly {
    uint256 public age = 1;

    constructor() payable {}

    function live() external payable {
        age += 1;
    }

    function die(address payable heir) external {
        selfdestruct(heir);
    }
}

/// @notice Makes mayflies by CREATE2, again and again at the same addresses.
contract Pond {
    uint256 public hatched;

    /// @notice Made, used and destroyed: another transaction may use the same salt again.
    function flash(bytes32 salt, address payable heir) external payable {
        Mayfly mayfly = new Mayfly{salt: salt, value: msg.value}();
        mayfly.live();
        mayfly.die(heir);
    }

    /// @notice Destroyed, then paid before the transaction ends: that ether is burnt.
    function burn(bytes32 salt, address payable heir) external payable {
        Mayfly mayfly = new Mayfly{salt: salt}();
        mayfly.die(heir);
        mayfly.live{value: msg.value}();
    }

    /// @notice Made and kept, if it is not there yet; then it only ages.
    function keep(bytes32 salt) external payable {
        address at = where(salt);
        if (at.code.length == 0) {
            new Mayfly{salt: salt}();
            hatched += 1;
        }
        Mayfly(at).live{value: msg.value}();
    }

    /// @notice Where the mayfly of `salt` is or would be.
    function where(bytes32 salt) public view returns (address) {
        bytes32 hash = keccak256(type(Mayfly).creationCode);
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), salt, hash)))));
    }
}

/// @notice Destroyed before its creation ends: a creation that succeeds and leaves no code.
contract Stillborn {
    constructor(address payable heir) payable {
        selfdestruct(heir);
    }
}
