// viem: contracts, errors, logs, subscriptions, fees, proofs, batches.
import assert from 'node:assert/strict'
import { createPublicClient, createWalletClient, http, keccak256, parseGwei, toRlp, webSocket } from 'viem'
import { account, l2, l2Chain, l2Wallet, mined, net } from '../chain.js'
import { Counter, QUICK } from './contract.js'

const [user, wallet] = [account(1), l2Wallet(1)]
const { abi, bytecode } = Counter
const { contractAddress: address } = await mined(l2, await wallet.deployContract({ abi, bytecode, args: [5n] }))
const counter = { abi, address }
const read = () => l2.readContract({ ...counter, functionName: 'number' })
assert.equal(await read(), 5n)

// Events: by subscription, in the receipt, by query and by filter.
const socket = webSocket(net.l2Ws)
const listener = createPublicClient({ chain: l2Chain, transport: socket })
const filter = await l2.createContractEventFilter(counter)
const heard = new Promise((resolve, reject) => {
  const stop = listener.watchContractEvent({ ...counter, eventName: 'Counted', onLogs: (logs) => (stop(), resolve(logs)), onError: reject })
})
const heads = new Promise((resolve, reject) => {
  const stop = listener.watchBlocks({ onBlock: (block) => (stop(), resolve(block)), onError: reject })
})
await heads // both subscriptions were sent on one connection, in order
const receipt = await mined(l2, await wallet.writeContract({ ...counter, functionName: 'count', args: [2n] }))
const [pushed] = await heard
assert.deepEqual([pushed.args, pushed.transactionHash], [{ who: user.address, number: 7n }, receipt.transactionHash])
const range = { fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber }
const [found] = await l2.getContractEvents({ ...counter, eventName: 'Counted', args: { who: user.address }, ...range })
assert.equal(found.logIndex, pushed.logIndex)
assert.equal((await l2.getFilterChanges({ filter })).length, 1)
assert.ok(await l2.uninstallFilter({ filter }))

// Reverts come with the reason that the contract gave.
const has = (error, { name }) => error.walk((cause) => cause.name === name) !== null
const refusal = (functionName, args) => l2.simulateContract({ ...counter, functionName, args, account: user })
await assert.rejects(refusal('count', [11n]), (error) => error.walk(({ data }) => data?.errorName === 'TooMany')?.data.args[0] === 11n)
await assert.rejects(refusal('refuse'), /not today/)
await assert.rejects(refusal('overflow'), /Arithmetic operation resulted in underflow or overflow/)
await assert.rejects(l2.estimateContractGas({ ...counter, functionName: 'refuse', account: user }), /not today/)

// Many transactions at once, numbered by the client.
const nonce = await l2.getTransactionCount({ address: user.address, blockTag: 'pending' })
const fees = await l2.estimateFeesPerGas()
const gas = await l2.estimateContractGas({ ...counter, functionName: 'count', args: [1n], account: user })
const sent = await Promise.all(
  Array.from({ length: QUICK }, (_, i) => wallet.writeContract({ ...counter, ...fees, functionName: 'count', args: [1n], nonce: nonce + i, gas: gas * 2n })),
)
await Promise.all(sent.map((hash) => mined(l2, hash)))
assert.equal(await read(), 7n + BigInt(QUICK))
await assert.rejects(wallet.sendTransaction({ to: user.address, nonce, gas: 21_000n }), (error) => has(error, { name: 'NonceTooLowError' }))
await assert.rejects(
  wallet.sendTransaction({ to: user.address, value: 10n ** 30n, gas: 21_000n }),
  (error) => has(error, { name: 'InsufficientFundsError' }),
)

// Fees that land.
const { baseFeePerGas, reward } = await l2.getFeeHistory({ blockCount: 4, rewardPercentiles: [50] })
assert.ok(baseFeePerGas.length >= 2 && reward.length === baseFeePerGas.length - 1)
assert.ok(fees.maxFeePerGas >= baseFeePerGas.at(-1) && fees.maxFeePerGas < parseGwei('100'))

// A proof leads to the account: the last node of the path holds it.
const proof = await l2.getProof({ address, storageKeys: [`0x${'0'.repeat(64)}`], blockNumber: receipt.blockNumber })
const { stateRoot } = await l2.getBlock({ blockNumber: receipt.blockNumber })
assert.equal(keccak256(proof.accountProof[0]), stateRoot)
const leaf = toRlp(['0x01', proof.balance === 0n ? '0x' : `0x${proof.balance.toString(16)}`, proof.storageHash, proof.codeHash]).slice(2)
assert.ok(proof.accountProof.at(-1).endsWith(leaf))
assert.equal(proof.storageProof[0].value, 7n)

// One HTTP request, many answers; and calls that share a state.
const batched = createPublicClient({ chain: l2Chain, transport: http(net.l2Rpc, { batch: true }) })
const answers = await Promise.all([batched.getBlockNumber(), batched.getChainId(), batched.getBalance({ address }), batched.getGasPrice()])
assert.equal(answers[1], l2Chain.id)
const sync = createWalletClient({ account: user, chain: l2Chain, transport: http(net.l2Rpc) })
assert.equal((await sync.sendTransactionSync({ to: address, gas: 21_000n, data: '0x' })).status, 'reverted')
;(await socket({ chain: l2Chain }).value.getRpcClient()).close()
console.log(JSON.stringify({ ok: true }))
process.exit(0)
