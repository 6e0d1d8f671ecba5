// SPDX-License-Identifier: GPL-2.0-or-later

/**
 * Returns the kernel module that perf names as the source of code: "[zdbug]", or a file "zdbug.ko" with its path, perhaps
 * packed. Names of files have dashes where the kernel uses underscores.
 *
 * @returns undefined for the kernel itself, a program, or code whose source is not known
 */
export function moduleOfMapping(name: string): string | undefined {
  const file = name.slice(name.lastIndexOf('/') + 1)
  const module = /^\[(?!kernel|unknown|guest)([\w-]+)\]$/.exec(name)?.[1] ?? /^(.+?)\.ko(?:\.\w+)?$/.exec(file)?.[1]
  return module?.replaceAll('-', '_')
}
