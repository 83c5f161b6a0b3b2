/** Tells on stderr how far something has come: one line redrawn on a terminal, else a line per quarter. */
export function progressOf(what: string, total: number): (done: number) => void {
  const { isTTY } = process.stderr
  let quarter = 0
  return done => {
    if (done < 0) return
    if (isTTY) {
      if (done === total || done % 10 === 0 || total < 100)
        process.stderr.write(`\r${done} of ${total} ${what}${done === total ? '\n' : ''}`)
      return
    }
    const reached = Math.floor((4 * done) / total)
    if (reached > quarter) process.stderr.write(`${done} of ${total} ${what}\n`)
    quarter = Math.max(quarter, reached)
  }
}
