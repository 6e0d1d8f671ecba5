// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * ISO 8859-1, in which each byte is the character of that number. Browsers and newer Node take its name for windows-1252,
 * as the Encoding standard says, which has other characters for most of the bytes 0x80 to 0x9f: bytes of UTF-8, among others.
 */
const decoder = new TextDecoder('latin1')

/** By character of windows-1252 beyond ISO 8859-1: the character of its byte. Empty where the decoder's ISO 8859-1 is one. */
const OTHERS = new Map(
  Array.from({ length: 0x20 }, (_, i) => 0x80 + i).flatMap(byte => {
    const letter = decoder.decode(Uint8Array.of(byte))
    return letter.charCodeAt(0) === byte ? [] : [[letter, String.fromCharCode(byte)] as const]
  }),
)

/** Decodes ISO 8859-1, one character for each byte. Never fails. */
export function decodeLatin1(bytes: Uint8Array): string {
  const text = decoder.decode(bytes)
  return OTHERS.size > 0 ? text.replace(/[\u0100-\uffff]/g, letter => OTHERS.get(letter) ?? letter) : text
}
