// OpenZeppelin ERC-20 with permit and ERC-721, deployed and used by ethers v6.
import assert from 'node:assert/strict'
import { Contract, ContractFactory, JsonRpcProvider, Signature, Wallet, WebSocketProvider, parseEther, verifyTypedData } from 'ethers'
import { net } from './chain.js'
import { compile } from './compile.js'

// ethers repeats an answer for 250 ms by default, a nonce too: longer than a block may take.
const provider = new JsonRpcProvider(net.l2Rpc, undefined, { pollingInterval: 200, batchMaxCount: 10, cacheTimeout: -1 })
const [owner, spender] = [new Wallet(net.keys[1], provider), new Wallet(net.keys[2], provider)]

const { Coin, Deed } = compile(`// SPDX-License-Identifier: MIT
  pragma solidity ^0.8.20;
  import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
  import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
  import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
  contract Coin is ERC20Permit {
    constructor() ERC20("Coin", "COIN") ERC20Permit("Coin") { _mint(msg.sender, 1000 ether); }
  }
  contract Deed is ERC721("Deed", "DEED") {
    function mint(address to, uint256 id) external { _safeMint(to, id); }
  }`)

const deploy = async ({ abi, bytecode }) => (await new ContractFactory(abi, bytecode, owner).deploy()).waitForDeployment()
const done = async (sent) => (await sent).wait()

const coin = await deploy(Coin)
await done(coin.transfer(spender.address, parseEther('10')))
assert.equal(await coin.balanceOf(spender.address), parseEther('10'))
await assert.rejects(coin.connect(spender).transfer.staticCall(owner.address, parseEther('11')), /ERC20InsufficientBalance/)

const domain = { name: 'Coin', version: '1', chainId: net.l2ChainId, verifyingContract: await coin.getAddress() }
const types = {
  Permit: ['address owner', 'address spender', 'uint256 value', 'uint256 nonce', 'uint256 deadline'].map((field) => {
    const [type, name] = field.split(' ')
    return { name, type }
  }),
}
const permit = { owner: owner.address, spender: spender.address, value: parseEther('5'), nonce: 0n, deadline: 2n ** 40n }
const signature = await owner.signTypedData(domain, types, permit)
assert.equal(verifyTypedData(domain, types, permit, signature), owner.address)
const { r, s, v } = Signature.from(signature)
const asSpender = coin.connect(spender)
await done(asSpender.permit(permit.owner, permit.spender, permit.value, permit.deadline, v, r, s))
await done(asSpender.transferFrom(owner.address, spender.address, parseEther('5')))
assert.equal(await coin.balanceOf(spender.address), parseEther('15'))
const transfers = await coin.queryFilter(coin.filters.Transfer(null, spender.address))
assert.deepEqual(transfers.map(({ args }) => args.value), [parseEther('10'), parseEther('5')])

const socket = new WebSocketProvider(net.l2Ws)
const deed = await deploy(Deed)
const listening = new Contract(await deed.getAddress(), Deed.abi, socket)
const seen = new Promise((resolve) => listening.on('Transfer', (from, to, id) => resolve(id)))
await socket.getBlockNumber()
await done(deed.mint(spender.address, 7))
assert.equal(await seen, 7n)
assert.equal(await deed.ownerOf(7), spender.address)
await done(deed.connect(spender).transferFrom(spender.address, owner.address, 7))
assert.equal(await deed.ownerOf(7), owner.address)
await listening.removeAllListeners()
await socket.destroy()
provider.destroy()
console.log(JSON.stringify({ ok: true }))
