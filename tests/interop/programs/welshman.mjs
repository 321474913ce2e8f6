// welshman: @welshman/net with its default socket policies, and @welshman/signer.
import { Inbox, Lacks, serve } from './lines.mjs'
import {
  defaultSocketPolicies, makeSocketPolicyAuth, netContext, Pool, publishOne, pull, push,
  requestOne, Socket,
} from '@welshman/net'
import { Nip01Signer, Nip46Broker, Nip46Signer, Nip59 } from '@welshman/signer'

let url, signer, bunker
const heard = new Inbox()

const told = async event => {
  const { status, detail } = await publishOne({ relay: url, event })
  return { accepted: status === 'success', message: `${detail ?? ''}` || status }
}

const stored = filter => requestOne({ relay: url, filters: [filter], autoClose: true })

serve({
  async connect(given) {
    url = given.url
    signer = new Nip01Signer(given.key)
    const sign = draft => signer.sign(draft)
    const policies = [...defaultSocketPolicies, makeSocketPolicyAuth({ sign, shouldAuth: () => true })]
    netContext.pool = new Pool({ makeSocket: at => new Socket(at, policies) })
  },
  async write({ draft }) {
    const event = await signer.sign(draft)
    return { event, ...(await told(event)) }
  },
  send: ({ event }) => told(event),
  query: ({ filter }) => stored(filter),
  listen: ({ filter }) =>
    new Promise(done => {
      let began = false
      const onEvent = event => began && heard.put(event)
      requestOne({ relay: url, filters: [filter], onEvent, onEose: () => done((began = true)) })
    }),
  heard: () => heard.take(),
  count: () => {
    throw new Lacks('@welshman/net has no COUNT.')
  },
  async reconcile({ filter, held }) {
    const both = { relays: [url], filters: [filter], events: held }
    const came = await pull(both)
    await push(both)
    return [...held, ...came].map(event => event.id)
  },
  async write_message({ to, text }) {
    const rumor = { kind: 14, content: text, tags: [['p', to]], created_at: Math.floor(Date.now() / 1000) }
    const { accepted, message } = await told(await Nip59.fromSigner(signer).wrap(to, rumor))
    if (!accepted) throw new Error(message)
  },
  async read_messages() {
    const wraps = await stored({ kinds: [1059], '#p': [await signer.getPubkey()] })
    const rumors = await Promise.all(wraps.map(wrap => Nip59.fromSigner(signer).unwrap(wrap)))
    return rumors.map(rumor => [rumor.pubkey, rumor.content])
  },
  async sign_by({ uri, draft }) {
    if (!bunker) {
      const { relays, signerPubkey, connectSecret } = Nip46Broker.parseBunkerUrl(uri)
      const clientSecret = '3'.repeat(64)
      const broker = new Nip46Broker({ relays, clientSecret, signerPubkey, connectSecret })
      await broker.connect(connectSecret)
      bunker = new Nip46Signer(broker)
    }
    return bunker.sign(draft)
  },
})
