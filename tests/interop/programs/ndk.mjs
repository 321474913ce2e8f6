// NDK, without a cache.
import { Inbox, Lacks, serve } from './lines.mjs'
import NDK, {
  giftUnwrap, giftWrap, NDKEvent, NDKNip46Signer, NDKPrivateKeySigner, NDKRelaySet,
} from '@nostr-dev-kit/ndk'

let ndk, signer, set, bunker
const heard = new Inbox()

const told = async event => {
  try {
    return { accepted: (await event.publish(set)).size > 0, message: '' }
  } catch (error) {
    const words = [...(error.errors?.values() ?? [])].map(each => each.message).join(' ')
    return { accepted: false, message: words || error.message }
  }
}

const stored = async filter => [...(await ndk.fetchEvents(filter, {}, set))]

serve({
  async connect({ url, key }) {
    signer = new NDKPrivateKeySigner(key)
    ndk = new NDK({ explicitRelayUrls: [url], signer, enableOutboxModel: false })
    // Its policy `signIn` signs in, too, but does not send again what was refused before.
    ndk.relayAuthDefaultPolicy = async () => true
    await ndk.connect(5000)
    set = NDKRelaySet.fromRelayUrls([url], ndk)
  },
  async write({ draft }) {
    const event = new NDKEvent(ndk, draft)
    await event.sign(signer)
    return { event: event.rawEvent(), ...(await told(event)) }
  },
  send: ({ event }) => told(new NDKEvent(ndk, event)),
  query: async ({ filter }) => (await stored(filter)).map(event => event.rawEvent()),
  listen: ({ filter }) =>
    new Promise(done => {
      let began = false
      const onEvent = event => began && heard.put(event.rawEvent())
      ndk.subscribe(filter, { closeOnEose: false, relaySet: set, onEvent, onEose: () => done((began = true)) })
    }),
  heard: () => heard.take(),
  count: async ({ filter }) => (await ndk.count(filter, {}, set)).count,
  reconcile: () => {
    throw new Lacks('NDK itself has no negentropy.')
  },
  async write_message({ to, text }) {
    const rumor = new NDKEvent(ndk, { kind: 14, content: text, tags: [['p', to]] })
    rumor.pubkey = (await signer.user()).pubkey
    rumor.created_at = Math.floor(Date.now() / 1000)
    const wrap = await giftWrap(rumor, ndk.getUser({ pubkey: to }), signer)
    const { accepted, message } = await told(wrap)
    if (!accepted) throw new Error(message)
  },
  async read_messages() {
    const wraps = await stored({ kinds: [1059], '#p': [(await signer.user()).pubkey] })
    const rumors = await Promise.all(wraps.map(wrap => giftUnwrap(wrap, undefined, signer)))
    return rumors.map(rumor => [rumor.pubkey, rumor.content])
  },
  async sign_by({ uri, draft }) {
    if (!bunker) {
      bunker = NDKNip46Signer.bunker(ndk, uri)
      await bunker.blockUntilReady()
    }
    const event = new NDKEvent(ndk, draft)
    await event.sign(bunker)
    return event.rawEvent()
  },
})
