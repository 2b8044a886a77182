// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

/// @notice Somebody's account at a service: what factories make thousands of.
contract Vault {
    address public owner;
    uint256 public immutable BORN = block.number;
    mapping(address payer => uint256) public paid;

    error Vault_NotOwner();
    error Vault_Taken();

    function initialize(address owner_) external payable {
        if (owner != address(0)) revert Vault_Taken();
        owner = owner_;
        paid[msg.sender] += msg.value;
    }

    function pay() external payable {
        paid[msg.sender] += msg.value;
    }

    function withdraw(uint256 value) external {
        if (msg.sender != owner) revert Vault_NotOwner();
        (bool sent,) = msg.sender.call{value: value}("");
        require(sent);
    }
}

/// @notice Makes contracts by CREATE and CREATE2, whole or as minimal proxies, and may keep a list of them.
contract Factory {
    address public immutable TEMPLATE = address(new Vault());
    address[] public made;

    event Made(address indexed contract_, address indexed owner);

    function create() external payable returns (address vault) {
        vault = address(new Vault());
        _start(vault);
    }

    function create2(bytes32 salt) external payable returns (address vault) {
        vault = address(new Vault{salt: salt}());
        _start(vault);
    }

    function clone() external payable returns (address vault) {
        vault = Clones.clone(TEMPLATE);
        _start(vault);
    }

    function clone2(bytes32 salt) external payable returns (address vault) {
        vault = Clones.cloneDeterministic(TEMPLATE, salt);
        _start(vault);
    }

    /// @notice As `clone2`, and appends the proxy to the list that all share.
    function register(bytes32 salt) external payable returns (address vault) {
        vault = Clones.cloneDeterministic(TEMPLATE, salt);
        made.push(vault);
        _start(vault);
    }

    /// @notice Any contract by CREATE2.
    function deploy(bytes32 salt, bytes calldata creation) external payable returns (address contract_) {
        contract_ = Create2.deploy(msg.value, salt, creation);
        emit Made(contract_, msg.sender);
    }

    function _start(address vault) private {
        Vault(vault).initialize{value: msg.value}(msg.sender);
        emit Made(vault, msg.sender);
    }
}
