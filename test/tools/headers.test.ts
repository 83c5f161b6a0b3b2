import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbersIn } from './headers.ts'

const SOURCE = `
#define DIRECT 7 /* not 8 */
#define HEXADECIMAL\t0x10
#define UNION (DIRECT | HEXADECIMAL)
#define SHIFTED (1U << 4)
#define CALL(x) (x + 1)
#define WORDS "7"
enum {
	ZERO,
	ONE,	/* = 5, says nobody */
#define ONE ONE
	TEN = 10,
	ELEVEN,
	__LAST,
	LAST = __LAST - 1,
};
enum named { AGAIN };
`

test('numbers are read out of headers as C would', () => {
  assert.deepEqual(Object.fromEntries(numbersIn(SOURCE)), {
    DIRECT: 7,
    HEXADECIMAL: 16,
    UNION: 23,
    SHIFTED: 16,
    ZERO: 0,
    ONE: 1,
    TEN: 10,
    ELEVEN: 11,
    __LAST: 12,
    LAST: 11,
    AGAIN: 0,
  })
})
