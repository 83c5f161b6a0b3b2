/**
 * Tells on stderr how far something has come: one line redrawn on a terminal, else a line per quarter. `now` says what
 * is being done, or how long it will take.
 */
export function progressOf(what: string, total: number): (done: number, now?: string) => void {
  const { isTTY, columns } = process.stderr
  let quarter = 0
  return (done, now = '') => {
    if (done < 0) return
    const line = `${done} of ${total} ${what}${now === '' ? '' : `; ${now}`}`
    if (isTTY) {
      if (done === total || done % 10 === 0 || total < 100 || now !== '')
        process.stderr.write(`\r${line.slice(0, (columns || 80) - 1)}\x1b[K${done === total ? '\n' : ''}`)
      return
    }
    const reached = Math.floor((4 * done) / total)
    if (reached > quarter) process.stderr.write(`${line}\n`)
    quarter = Math.max(quarter, reached)
  }
}
