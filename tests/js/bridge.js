// ETH and an ERC-20 token from L1 to L2 and back, by viem's OP Stack actions.
import assert from 'node:assert/strict'
import { erc20Abi, parseAbi, parseEther, parseEventLogs } from 'viem'
import { getL2TransactionHashes, getWithdrawals } from 'viem/op-stack'
import { account, eventually, l1, l1Wallet, l2, l2Chain, l2Wallet, mined, net } from './chain.js'
import { compile } from './compile.js'

const user = account(0).address
const wallet1 = l1Wallet(0)
const wallet2 = l2Wallet(0)

const L2_BRIDGE = '0x4200000000000000000000000000000000000010'
const TOKEN_FACTORY = '0x4200000000000000000000000000000000000012'

const l1BridgeAbi = parseAbi([
  'function depositERC20To(address l1Token, address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes extraData)',
  'function depositETHTo(address to, uint32 minGasLimit, bytes extraData) payable',
  'function deposits(address l1Token, address l2Token) view returns (uint256)',
])
const l2BridgeAbi = parseAbi([
  'function withdrawTo(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes extraData) payable',
])
const factoryAbi = parseAbi([
  'function createOptimismMintableERC20(address remoteToken, string name, string symbol) returns (address)',
  'event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken)',
])

// The deposit transaction on L2 that an L1 receipt leads to.
async function deposited(receipt) {
  const [hash] = getL2TransactionHashes(receipt)
  await eventually('the deposit is on L2', () => l2.getTransactionReceipt({ hash }).then(() => true, () => false))
  return mined(l2, hash)
}

// Proves a withdrawal of an L2 receipt on L1, and returns what finalizes it after the window.
async function prove(receipt) {
  const [withdrawal] = getWithdrawals(receipt)
  const { game, output } = await l1.waitToProve({ receipt, targetChain: l2Chain })
  assert.ok(game.l2BlockNumber >= receipt.blockNumber)
  const proof = await l2.buildProveWithdrawal({ account: account(0), game, output, withdrawal })
  await mined(l1, await wallet1.proveWithdrawal(proof))
  const status = () => l1.getWithdrawalStatus({ receipt, targetChain: l2Chain })
  assert.match(await status(), /^(waiting|ready)-to-finalize$/)
  return async () => {
    await l1.waitToFinalize({ targetChain: l2Chain, withdrawalHash: withdrawal.withdrawalHash })
    await eventually('the withdrawal can be finalized', async () => (await status()) === 'ready-to-finalize')
    await mined(l1, await wallet1.finalizeWithdrawal({ targetChain: l2Chain, withdrawal }))
    assert.equal(await status(), 'finalized')
    await assert.rejects(wallet1.finalizeWithdrawal({ targetChain: l2Chain, withdrawal, account: account(0) }))
  }
}

async function depositEther() {
  const to = '0x00000000000000000000000000000000000e0001'
  const request = await l2.buildDepositTransaction({ account: account(0), mint: parseEther('2'), to })
  const receipt = await deposited(await mined(l1, await wallet1.depositTransaction(request)))
  const transaction = await l2.getTransaction({ hash: receipt.transactionHash })
  assert.deepEqual([transaction.type, transaction.mint], ['deposit', parseEther('2')])
  assert.equal(await l2.getBalance({ address: to }), parseEther('2'))

  // Plain ETH to the portal arrives at the sender.
  const before = await l2.getBalance({ address: account(3).address })
  const plain = await mined(l1, await l1Wallet(3).sendTransaction({ to: net.contracts.portal, value: parseEther('1') }))
  await deposited(plain)
  assert.equal(await l2.getBalance({ address: account(3).address }), before + parseEther('1'))

  // Through the bridge.
  const over = '0x00000000000000000000000000000000000e0002'
  const bridged = await wallet1.writeContract({
    abi: l1BridgeAbi, address: net.contracts.standardBridge, functionName: 'depositETHTo', args: [over, 200_000, '0x'], value: 5n,
  })
  await deposited(await mined(l1, bridged))
  assert.equal(await l2.getBalance({ address: over }), 5n)
}

async function fees() {
  const transaction = { account: user, to: account(1).address, value: 1n }
  const l1Fee = await l2.estimateL1Fee(transaction)
  assert.ok(l1Fee > 0n)
  assert.ok((await l2.estimateTotalFee(transaction)) > l1Fee)
}

async function withdrawEther() {
  const to = '0x00000000000000000000000000000000000e0003'
  const request = await l1.buildInitiateWithdrawal({ account: account(0), to, value: parseEther('1') })
  const receipt = await mined(l2, await wallet2.initiateWithdrawal(request))
  const finalize = await prove(receipt)
  return async () => {
    await finalize()
    assert.equal(await l1.getBalance({ address: to }), parseEther('1'))
  }
}

async function token() {
  const { Token } = compile(`// SPDX-License-Identifier: MIT
    pragma solidity ^0.8.20;
    import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
    contract Token is ERC20("Token", "TOK") { constructor() { _mint(msg.sender, 1000 ether); } }`)
  const { contractAddress: l1Token } = await mined(l1, await wallet1.deployContract(Token))
  const created = await mined(l2, await wallet2.writeContract({
    abi: factoryAbi, address: TOKEN_FACTORY, functionName: 'createOptimismMintableERC20', args: [l1Token, 'Token', 'TOK'],
  }))
  const [{ args: { localToken: l2Token } }] = parseEventLogs({ abi: factoryAbi, eventName: 'StandardL2TokenCreated', logs: created.logs })
  return { l1Token, l2Token }
}

async function depositToken({ l1Token, l2Token }) {
  const amount = parseEther('100')
  const bridge = net.contracts.standardBridge
  await mined(l1, await wallet1.writeContract({ abi: erc20Abi, address: l1Token, functionName: 'approve', args: [bridge, amount] }))
  const sent = await mined(l1, await wallet1.writeContract({
    abi: l1BridgeAbi, address: bridge, functionName: 'depositERC20To', args: [l1Token, l2Token, user, amount, 300_000, '0x'],
  }))
  await deposited(sent)
  assert.equal(await l2.readContract({ abi: erc20Abi, address: l2Token, functionName: 'balanceOf', args: [user] }), amount)
  assert.equal(await l1.readContract({ abi: l1BridgeAbi, address: bridge, functionName: 'deposits', args: [l1Token, l2Token] }), amount)
}

async function withdrawToken({ l1Token, l2Token }) {
  const amount = parseEther('40')
  const to = '0x00000000000000000000000000000000000e0004'
  const receipt = await mined(l2, await wallet2.writeContract({
    abi: l2BridgeAbi, address: L2_BRIDGE, functionName: 'withdrawTo', args: [l2Token, to, amount, 300_000, '0x'],
  }))
  const finalize = await prove(receipt)
  return async () => {
    await finalize()
    assert.equal(await l1.readContract({ abi: erc20Abi, address: l1Token, functionName: 'balanceOf', args: [to] }), amount)
  }
}

await depositEther()
await fees()
const pair = await token()
await depositToken(pair)
// Both withdrawals are proven before the window of either is waited for.
for (const finish of [await withdrawEther(), await withdrawToken(pair)]) await finish()
console.log(JSON.stringify({ ok: true }))
