// SPDX-License-Identifier: GPL-2.0-or-later
export function run(from: i32, to: i32): i32 {
  return load<i32>(<usize>from) + to
}
