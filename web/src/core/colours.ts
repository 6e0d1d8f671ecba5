// SPDX-License-Identifier: GPL-2.0-or-later
/** Colours of pages by shade, and of the signs on them. */
import { isDark } from '../timeline/palette.ts'

export interface Shades {
  /** Colours, indexed as `SHADES`. */
  fill: readonly string[]
  on: readonly string[]
}

const LIGHT: Shades = {
  fill: ['#f5f6f8', '#c3c9d3', '#eadfc8', '#dde3ec', '#b9aed0', '#3f86dc', '#e68a00', '#8226a8', '#cc1f31'],
  on: ['#5a6270', '#1b1e24', '#1b1e24', '#1b1e24', '#1b1e24', '#06152a', '#1b1e24', '#ffffff', '#ffffff'],
}

const DARK: Shades = {
  fill: ['#1f2229', '#4b5260', '#4d4430', '#2c323d', '#5d5279', '#3d80cf', '#d98a1f', '#b06bd6', '#f0485a'],
  on: ['#a2aab8', '#e6e8ec', '#e6e8ec', '#e6e8ec', '#e6e8ec', '#071220', '#16181d', '#16181d', '#16181d'],
}

export function shadesOf(): Shades {
  return isDark() ? DARK : LIGHT
}
