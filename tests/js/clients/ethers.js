// ethers: contracts, errors, logs, subscriptions, nonces, fees, batches.
import assert from 'node:assert/strict'
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider, isError } from 'ethers'
import { net } from '../chain.js'
import { Counter, QUICK } from './contract.js'

// By default the provider puts what is asked in one turn of the event loop into one batch.
const provider = new JsonRpcProvider(net.l2Rpc, net.l2ChainId, { staticNetwork: true, pollingInterval: 200 })
const wallet = new Wallet(net.keys[2], provider)
const factory = new ContractFactory(Counter.abi, Counter.bytecode, wallet)
const deployed = await (await factory.deploy(5n)).waitForDeployment()
const address = await deployed.getAddress()
const counter = new Contract(address, Counter.abi, wallet)
assert.equal(await counter.number(), 5n)

const socket = new WebSocketProvider(net.l2Ws, net.l2ChainId)
const heard = new Promise((resolve) => new Contract(address, Counter.abi, socket).once('Counted', (who, number, event) => resolve([who, number, event])))
await new Promise((resolve) => socket.once('block', resolve))
const receipt = await (await counter.count(2n)).wait()
const [who, number, { log }] = await heard
assert.deepEqual([who, number, log.transactionHash], [wallet.address, 7n, receipt.hash])
const found = await counter.queryFilter(counter.filters.Counted(wallet.address), receipt.blockNumber, 'latest')
assert.deepEqual(found.map(({ args }) => args.number), [7n])

await assert.rejects(counter.count.staticCall(11n), (error) => isError(error, 'CALL_EXCEPTION') && error.revert.name === 'TooMany' && error.revert.args[1] === 10n)
await assert.rejects(counter.refuse.staticCall(), (error) => error.reason === 'not today')
await assert.rejects(counter.overflow.staticCall(), (error) => error.revert.name === 'Panic' && Number(error.revert.args[0]) === 0x11)
await assert.rejects(counter.refuse.estimateGas(), (error) => error.reason === 'not today')
const failed = await counter.refuse.populateTransaction()
await assert.rejects((await wallet.sendTransaction({ ...failed, gasLimit: 100_000n })).wait(), (error) => error.receipt.status === 0)

const manager = new NonceManager(wallet)
const quick = counter.connect(manager)
const gasLimit = 2n * (await counter.count.estimateGas(1n))
const sent = await Promise.all(Array.from({ length: QUICK }, () => quick.count(1n, { gasLimit })))
await Promise.all(sent.map((response) => response.wait()))
assert.equal(await counter.number(), 7n + BigInt(QUICK))
const nonce = await provider.getTransactionCount(wallet.address)
await assert.rejects(wallet.sendTransaction({ to: address, nonce: nonce - 1, gasLimit: 21_000n }), (error) => isError(error, 'NONCE_EXPIRED'))
await assert.rejects(wallet.sendTransaction({ to: wallet.address, value: 10n ** 30n, gasLimit: 21_000n }), (error) => isError(error, 'INSUFFICIENT_FUNDS'))

const { maxFeePerGas, maxPriorityFeePerGas } = await provider.getFeeData()
const block = await provider.getBlock('latest', true)
assert.ok(maxFeePerGas >= block.baseFeePerGas + maxPriorityFeePerGas)
assert.equal(block.prefetchedTransactions.length, block.transactions.length)
const proof = await provider.send('eth_getProof', [address, ['0x0'], 'latest'])
assert.equal(BigInt(proof.storageProof[0].value), 7n + BigInt(QUICK))
const [head, balance, code] = await Promise.all([provider.getBlockNumber(), provider.getBalance(address), provider.getCode(address)])
assert.ok(head > 0 && balance === 0n && code.length > 2)
await socket.destroy()
provider.destroy()
console.log(JSON.stringify({ ok: true }))
