// applesauce: relay, core's store, common's messages, and signers.
import { Inbox, serve } from './lines.mjs'
import { lastValueFrom, toArray } from 'rxjs'
import { EventStore } from 'applesauce-core'
import { RelayPool, SyncDirection } from 'applesauce-relay'
import { NostrConnectSigner, PrivateKeySigner } from 'applesauce-signers'
import { GiftWrapFactory, WrappedMessageFactory } from 'applesauce-common/factories'
import { unlockGiftWrap } from 'applesauce-common/helpers'

let url, relay, pool, signer, bunker
const heard = new Inbox()

const told = async event => {
  const { ok, message } = await relay.publish(event)
  return { accepted: ok, message }
}

const stored = filter => lastValueFrom(relay.request(filter).pipe(toArray()))

serve({
  async connect(given) {
    url = given.url
    signer = PrivateKeySigner.fromKey(given.key)
    pool = new RelayPool()
    relay = pool.relay(url)
    relay.challenge$.subscribe(challenge => challenge && relay.authenticate(signer))
  },
  async write({ draft }) {
    const event = await signer.signEvent(draft)
    return { event, ...(await told(event)) }
  },
  send: ({ event }) => told(event),
  query: ({ filter }) => stored(filter),
  listen: ({ filter }) =>
    new Promise((done, failed) => {
      let began = false
      const next = item => (item === 'EOSE' ? done((began = true)) : began && heard.put(item))
      relay.subscription(filter).subscribe({ next, error: failed })
    }),
  heard: () => heard.take(),
  count: async ({ filter }) => (await lastValueFrom(relay.count(filter))).count,
  async reconcile({ filter, held }) {
    const store = new EventStore()
    for (const event of held) store.add(event)
    const came = await lastValueFrom(relay.sync(store, filter, SyncDirection.BOTH).pipe(toArray()))
    for (const event of came) store.add(event)
    return store.getByFilters(filter).map(event => event.id)
  },
  async write_message({ to, text }) {
    const rumor = WrappedMessageFactory.create(to, text).as(signer)
    const { accepted, message } = await told(await GiftWrapFactory.create(signer, to, rumor))
    if (!accepted) throw new Error(message)
  },
  async read_messages() {
    const wraps = await stored({ kinds: [1059], '#p': [await signer.getPublicKey()] })
    const rumors = await Promise.all(wraps.map(wrap => unlockGiftWrap(wrap, signer)))
    return rumors.map(rumor => [rumor.pubkey, rumor.content])
  },
  async sign_by({ uri, draft }) {
    bunker ??= await NostrConnectSigner.fromBunkerURI(uri, { pool })
    return bunker.signEvent(draft)
  },
})
