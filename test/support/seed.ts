// SPDX-License-Identifier: GPL-2.0-or-later
/** Random tests take the same cases in every run, so that a failure is the change's own; LASTPUT_SEED looks at others. */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.LASTPUT_SEED ?? 1) })

// As the command line has it: counterexamples are told by stacks, which are deep.
Error.stackTraceLimit = 100
