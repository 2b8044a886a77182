// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Made against whoever predicts accesses: every call touches other slots than the one before, and which ones
/// depends on what earlier transactions of the block wrote.
contract Shifter {
    /// @notice Decides where the next call goes.
    uint256 public compass;
    mapping(uint256 place => uint256) public places;
    mapping(uint256 lane => uint256) public compasses;
    mapping(uint256 node => uint256) public next;

    /// @notice Walks `steps` places from the compass, writes each, and turns the compass by what it found.
    function wander(uint256 steps) external {
        uint256 at = compass;
        for (uint256 i; i < steps; ++i) {
            at = uint256(keccak256(abi.encode(at, places[at], i)));
            places[at % 64] += 1;
            places[at] = at ^ uint256(uint160(msg.sender));
        }
        compass = at;
    }

    /// @notice As `wander`, in one of several lanes that do not meet: where others go cannot be told from the call.
    function drift(uint256 lane) external {
        uint256 at = compasses[lane];
        uint256 to = uint256(keccak256(abi.encode(lane, at)));
        places[to] = at + 1;
        compasses[lane] = to;
    }

    /// @notice Places that depend on the block alone, the same for nobody in another block.
    function roll() external {
        uint256 at = uint256(keccak256(abi.encode(block.prevrandao, block.number, block.timestamp, msg.sender)));
        places[at] += 1;
        places[uint256(blockhash(block.number - 1)) % 32] = at;
    }

    /// @notice Follows a linked list from `from`, then makes its end point elsewhere: who follows later goes another way.
    function follow(uint256 from, uint256 limit) external {
        uint256 at = from;
        for (uint256 i; i < limit && next[at] != 0; ++i) at = next[at];
        next[at] = uint256(keccak256(abi.encode(at, msg.sender))) % 97 + 1;
        places[at] += 1;
    }

    /// @notice Reads one slot, and touches a second one only every third time.
    function sometimes() external {
        uint256 count = ++places[0];
        if (count % 3 == 0) places[1] += count;
        else places[uint256(uint160(msg.sender))] = count;
    }

    /// @notice Reverts after writing if the compass says so: the writes must leave no trace.
    function gamble() external {
        uint256 at = compass;
        compass = uint256(keccak256(abi.encode(at, msg.sender)));
        places[at] = 1;
        try this.burst(at) {} catch {
            places[at % 16] += 1;
        }
    }

    /// @notice Writes, then reverts for every odd `at`.
    function burst(uint256 at) external {
        for (uint256 i; i < 4; ++i) places[at + i] = i;
        require(at % 2 == 0);
    }

    /// @notice How far it gets depends on the gas that is left.
    function untilGas(uint256 reserve) external {
        uint256 at = uint256(uint160(msg.sender));
        while (gasleft() > reserve) places[at++] += 1;
        places[0] = at;
    }
}
