// NDK's bunker, with the key in SIGNER_KEY, on the relay that is its argument.
import WebSocket from "ws"
globalThis.WebSocket = WebSocket
const { default: NDK, NDKNip46Backend, NDKPrivateKeySigner } = await import("@nostr-dev-kit/ndk")
const url = process.argv[2]
const ndk = new NDK({ explicitRelayUrls: [url] })
await ndk.connect(5000)
const signer = new NDKPrivateKeySigner(process.env.SIGNER_KEY)
const backend = new NDKNip46Backend(ndk, signer, async () => true)
await backend.start()
const user = await signer.user()
setTimeout(() => console.log(`bunker://${user.pubkey}?relay=${url}`), 1000)
