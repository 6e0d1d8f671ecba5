// SPDX-License-Identifier: GPL-2.0-or-later

/** Control characters, and those that turn or hide the text around them: names in a recording are not to be trusted. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/** A name from a recording, safe to show in a terminal: unsafe characters as \x1b or \u202e. */
export function printable(name: string): string {
  return name.replace(UNSAFE, each => {
    const code = each.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
