// A client that is not ours asks a bunker: node nostr_tools.cjs FOLDER COUNT DATE [auth], its code on standard input.
// FOLDER holds node_modules with nostr-tools and ws. Each event that it is given back is a line.
const { createRequire } = require('node:module')
const load = createRequire(process.argv[2] + '/')
const { BunkerSigner, parseBunkerInput } = load('nostr-tools/nip46')
const { generateSecretKey, finalizeEvent, verifyEvent } = load('nostr-tools/pure')
const { SimplePool } = load('nostr-tools/pool')
globalThis.WebSocket = load('ws')
process.on('unhandledRejection', () => {})

const within = (ms, work) =>
  Promise.race([work, new Promise((_, no) => setTimeout(() => no(new Error('late')), ms))])

async function main() {
  const code = require('node:fs').readFileSync(0, 'utf8').trim()
  const bunker = await parseBunkerInput(code)
  const key = generateSecretKey()
  // The signer does not repeat what a relay refused because it does not know who asks: so it is told
  // before.
  const automaticallyAuth = () => async draft => finalizeEvent(draft, key)
  const pause = ms => new Promise(done => setTimeout(done, ms))
  const logIn = async pool => {
    const relay = await pool.ensureRelay(bunker.relays[0])
    while (!relay.challenge) await pause(20)
    await relay.auth(automaticallyAuth())
  }
  const meet = async () => {
    for (;;) {
      const pool = new SimplePool({ automaticallyAuth })
      try {
        if (process.argv[5] === 'auth') await within(4000, logIn(pool))
        return BunkerSigner.fromBunker(key, bunker, { pool })
      } catch {
        pool.close(bunker.relays) // it is away
        await pause(100)
      }
    }
  }
  let signer = await meet()
  const ask = async what => {
    for (;;) {
      try {
        return await within(4000, what(signer))
      } catch (error) {
        if (typeof error === 'string') throw new Error(error) // the bunker's own no
        signer.close().catch(() => {})
        signer = await meet()
      }
    }
  }
  await ask(s => s.connect({ name: 'nostr-tools' }))
  for (let n = 0; n < Number(process.argv[3]); n++) {
    const draft = { kind: 1, content: `${n}`, tags: [], created_at: Number(process.argv[4]) }
    const event = await ask(s => s.signEvent(draft))
    if (!verifyEvent(event)) throw new Error('not verified')
    console.log(JSON.stringify(event))
  }
  process.exit(0)
}
main().catch(error => { console.error(error); process.exit(1) })
