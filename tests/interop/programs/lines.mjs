// The loop of a program that speaks for a library: one JSON object a line, each answered with one.
import { createInterface } from 'node:readline'
import WebSocket from 'ws'

globalThis.WebSocket = WebSocket
console.log = console.info = console.debug = console.error // standard output is for answers alone
process.on('unhandledRejection', error => console.error(error))

/** The library does not offer this. */
export class Lacks extends Error {}

/** What arrives, for whoever waits. */
export class Inbox {
  #held = []
  #waiting = []
  put(item) {
    const next = this.#waiting.shift()
    if (next) next(item)
    else this.#held.push(item)
  }
  take() {
    if (this.#held.length) return this.#held.shift()
    return new Promise(done => this.#waiting.push(done))
  }
}

export const bytes = hex => Uint8Array.from(Buffer.from(hex, 'hex'))

/** Answer with what the function of that name in `verbs` returns, until the input ends. */
export async function serve(verbs) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: verb, ...given } = JSON.parse(line)
    let answer
    try {
      if (!verbs[verb]) throw new Lacks('The library has nothing for it.')
      answer = { ok: (await verbs[verb](given)) ?? null }
    } catch (error) {
      console.error(error)
      const words = String(error?.message ?? error)
      answer = error instanceof Lacks ? { lacks: words } : { error: words }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  process.exit(0)
}
