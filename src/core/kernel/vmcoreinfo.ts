// SPDX-License-Identifier: GPL-2.0-or-later
/** VMCOREINFO, the kernel's description of itself for readers of its memory (Documentation/admin-guide/kdump/vmcoreinfo.rst). */

export class Vmcoreinfo {
  readonly text: string
  readonly #values = new Map<string, string>()
  readonly #numbers = new Map<string, bigint | undefined>()

  constructor(text: string) {
    this.text = text
    for (const line of text.split('\n')) {
      const at = line.indexOf('=')
      if (at > 0 && !this.#values.has(line.slice(0, at))) this.#values.set(line.slice(0, at), line.slice(at + 1))
    }
  }

  /** A plain value, such as OSRELEASE. */
  value(key: string): string | undefined {
    return this.#values.get(key)
  }

  /** Address of a symbol, with KASLR applied. */
  symbol(name: string): bigint | undefined {
    const hex = this.#values.get(`SYMBOL(${name})`)
    return hex !== undefined && /^[0-9a-f]{1,16}$/i.test(hex) ? BigInt(`0x${hex}`) : undefined
  }

  /** Value of a NUMBER entry, which is decimal or, with 0x, hexadecimal. */
  number(name: string): number | undefined {
    return toNumber(this.#values.get(`NUMBER(${name})`))
  }

  /** Value of a NUMBER entry as 64 unsigned bits, which may exceed what a double represents. */
  bigNumber(name: string): bigint | undefined {
    if (!this.#numbers.has(name)) this.#numbers.set(name, toBigNumber(this.#values.get(`NUMBER(${name})`)))
    return this.#numbers.get(name)
  }

  /** Byte offset of a member, such as `page._refcount`. */
  offset(member: string): number | undefined {
    return toNumber(this.#values.get(`OFFSET(${member})`))
  }

  /** Size of a structure in bytes. */
  size(name: string): number | undefined {
    return toNumber(this.#values.get(`SIZE(${name})`))
  }

  /** Number of elements of an array. */
  length(name: string): number | undefined {
    return toNumber(this.#values.get(`LENGTH(${name})`))
  }
}

function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?(0x[0-9a-f]+|[0-9]+)$/i.test(text)
    ? Number(text.replace('-', '')) * (text.startsWith('-') ? -1 : 1)
    : undefined
}

function toBigNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^(0x[0-9a-f]{1,16}|-?[0-9]{1,20})$/i.test(text)
    ? BigInt.asUintN(64, BigInt(text))
    : undefined
}
