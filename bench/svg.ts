/** A drawing with its title, readable on light and on dark. `style`: CSS of what is drawn, beside the text's colour. */
export function svg(
  width: number,
  height: number,
  title: string,
  style: string,
  body: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>text { fill: #24292f } ${style}`,
    '@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }</style>',
    `<text x="0" y="16" font-size="14" font-weight="600">${escaped(title)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
