// The running chain, as viem and ethers see it. A script gets its description in JSON as its argument.
import { createPublicClient, createWalletClient, defineChain, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { chainConfig, publicActionsL1, publicActionsL2, walletActionsL1, walletActionsL2 } from 'viem/op-stack'

export const { net } = JSON.parse(process.argv[2])

const pollingInterval = 200
const multicall3 = { address: '0xca11bde05977b3631167028862be2a173976ca11' }
const ether = { name: 'Ether', symbol: 'ETH', decimals: 18 }

export const l1Chain = defineChain({
  id: net.l1ChainId,
  name: 'L1',
  nativeCurrency: ether,
  rpcUrls: { default: { http: [net.l1Rpc] } },
  contracts: { multicall3 },
})

export const l2Chain = defineChain({
  ...chainConfig,
  id: net.l2ChainId,
  name: 'L2',
  nativeCurrency: ether,
  rpcUrls: { default: { http: [net.l2Rpc], webSocket: [net.l2Ws] } },
  contracts: {
    ...chainConfig.contracts,
    multicall3,
    portal: { [net.l1ChainId]: { address: net.contracts.portal } },
    disputeGameFactory: { [net.l1ChainId]: { address: net.contracts.assertions } },
    l1StandardBridge: { [net.l1ChainId]: { address: net.contracts.standardBridge } },
  },
  sourceId: net.l1ChainId,
})

export const account = (index) => privateKeyToAccount(net.keys[index])

// `dev` puts Multicall3 on its own L1; to another anvil, such as one in a container, viem sends its code along.
const hasMulticall3 = await createPublicClient({ transport: http(net.l1Rpc) }).getCode(multicall3)
const batch = hasMulticall3 ? undefined : { multicall: { deployless: true } }

export const l1 = createPublicClient({ chain: l1Chain, transport: http(), pollingInterval, batch }).extend(publicActionsL1())
export const l2 = createPublicClient({ chain: l2Chain, transport: http(), pollingInterval }).extend(publicActionsL2())

export const l1Wallet = (index) =>
  createWalletClient({ account: account(index), chain: l1Chain, transport: http(), pollingInterval }).extend(walletActionsL1())
export const l2Wallet = (index) =>
  createWalletClient({ account: account(index), chain: l2Chain, transport: http(), pollingInterval }).extend(walletActionsL2())

// Waits for a transaction that must succeed.
export async function mined(client, hash) {
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: 120_000 })
  if (receipt.status !== 'success') throw new Error(`${hash} failed in block ${receipt.blockNumber}`)
  return receipt
}

// Asks until the answer is the expected one: what an event elsewhere makes true.
export async function eventually(what, probe) {
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    if (await probe()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited too long until ${what}`)
}
