// nostr-tools: its pool, NIP-17, NIP-46 and NIP-77.
import { bytes, Inbox, serve } from './lines.mjs'
import { nip77 } from 'nostr-tools'
import { SimplePool } from 'nostr-tools/pool'
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import { unwrapEvent, wrapEvent } from 'nostr-tools/nip17'
import { BunkerSigner, parseBunkerInput } from 'nostr-tools/nip46'

let pool, url, secret, me, bunker
const heard = new Inbox()

const sign = async draft => finalizeEvent(draft, secret)

const told = event =>
  pool.publish([url], event, { onauth: sign })[0].then(
    message => ({ accepted: true, message }),
    error => ({ accepted: false, message: error.message }),
  )

serve({
  async connect(given) {
    url = given.url
    secret = bytes(given.key)
    me = finalizeEvent({ kind: 1, content: '', tags: [], created_at: 0 }, secret).pubkey
    pool = new SimplePool({ automaticallyAuth: () => sign })
    await pool.ensureRelay(url)
  },
  async write({ draft }) {
    const event = finalizeEvent(draft, secret)
    return { event, ...(await told(event)) }
  },
  send: ({ event }) => told(event),
  query: ({ filter }) => pool.querySync([url], filter),
  listen: ({ filter }) =>
    new Promise(oneose => {
      let stored = true
      const onevent = event => stored || heard.put(event)
      pool.subscribe([url], filter, { onevent, oneose: () => oneose((stored = false)) })
    }),
  heard: () => heard.take(),
  count: async ({ filter }) => (await pool.ensureRelay(url)).count([filter], {}),
  async reconcile({ filter, held }) {
    const storage = new nip77.NegentropyStorageVector()
    for (const event of held) storage.insert(event.created_at, event.id)
    storage.seal()
    const relay = await pool.ensureRelay(url)
    const have = [], need = []
    await new Promise((done, failed) => {
      const sync = new nip77.NegentropySync(relay, storage, filter, {
        onhave: id => have.push(id),
        onneed: id => need.push(id),
        onclose: reason => (reason ? failed(new Error(reason)) : done()),
      })
      sync.start().catch(failed)
    })
    for (const event of held) if (have.includes(event.id)) await told(event)
    const came = need.length ? await pool.querySync([url], { ids: need }) : []
    return [...held, ...came].map(event => event.id)
  },
  async write_message({ to, text }) {
    const { accepted, message } = await told(wrapEvent(secret, { publicKey: to }, text))
    if (!accepted) throw new Error(message)
  },
  async read_messages() {
    const wraps = await pool.querySync([url], { kinds: [1059], '#p': [me] })
    return wraps.map(wrap => unwrapEvent(wrap, secret)).map(rumor => [rumor.pubkey, rumor.content])
  },
  async sign_by({ uri, draft }) {
    if (!bunker) {
      bunker = BunkerSigner.fromBunker(generateSecretKey(), await parseBunkerInput(uri))
      await bunker.connect()
    }
    return bunker.signEvent(draft)
  },
})
