// nostr-tools at work for a test: node nostr_tools.cjs FOLDER, one JSON question a line on standard input.
// FOLDER holds node_modules with nostr-tools. Each answer is a line of JSON.
const { createRequire } = require('node:module')
const load = createRequire(process.argv[2] + '/')
const nip44 = load('nostr-tools/nip44')
const nip59 = load('nostr-tools/nip59')
const nip17 = load('nostr-tools/nip17')

const bytes = hex => new Uint8Array(Buffer.from(hex, 'hex'))
const shared = q => nip44.getConversationKey(bytes(q.secret), q.peer)
const answers = {
  encrypt: q => nip44.encrypt(q.text, shared(q)),
  decrypt: q => nip44.decrypt(q.payload, shared(q)),
  wrap: q => nip17.wrapEvent(bytes(q.secret), { publicKey: q.peer }, q.text),
  unwrap: q => nip59.unwrapEvent(q.wrap, bytes(q.secret)),
}
for (const line of require('node:fs').readFileSync(0, 'utf8').trim().split('\n')) {
  const question = JSON.parse(line)
  console.log(JSON.stringify(answers[question.ask](question)))
}
