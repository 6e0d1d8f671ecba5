// The table of layers in docs/architecture.md, enforced.

/** Files of `from` import, of the project's own files, only those of `from` itself and of the folders in `allowed`. */
const only = (name, from, allowed) => ({
  name: `${name}-imports`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: '^(src|web|lab|bench|testkit|test|examples)/', pathNot: `^(${[from, ...allowed].join('|')})/` },
})
/** The same for a folder of `src`. */
const wing = (from, allowed) => only(from, `src/${from}`, allowed.length === 0 ? [] : [`src/(${allowed.join('|')})`])

/** A stage of the checker: of the files beside the stages it may import what all of them share, none that runs them. */
const stage = (name, earlier) => ({
  name: `checker-${name}-imports`,
  severity: 'error',
  from: { path: `^src/checker/${name}/` },
  to: {
    path: '^src/checker/',
    pathNot: `^src/checker/((${[name, ...earlier].join('|')})/|(model|operations|usage|misuse|stack|verdict|options|budget|value-key)[.]ts)`,
  },
})

module.exports = {
  forbidden: [
    { name: 'no-circular', comment: 'of types neither', severity: 'error', from: {}, to: { circular: true } },
    wing('util', []),
    wing('trace', ['util']),
    wing('print', ['trace', 'util']),
    wing('core', ['linux', 'util']),
    {
      name: 'core-readers',
      comment: 'what reads dumps knows nothing of protocols; only what judges their pages does',
      severity: 'error',
      from: { path: '^src/core/(memory|kernel|arch)/' },
      to: { path: '^src/', pathNot: '^src/(core|util)/' },
    },
    wing('promises', []),
    wing('record', []),
    wing('checker', []),
    stage('learn', []),
    stage('pack', ['learn']),
    stage('reduce', ['learn', 'pack']),
    stage('codegen', ['learn', 'pack', 'reduce']),
    stage('explore', ['codegen']),
    stage('reference', []),
    stage('explain', ['codegen', 'explore', 'pack', 'reference']),
    wing('linux', ['checker', 'promises']),
    wing('ledger', ['trace', 'linux', 'promises', 'util']),
    wing('report', ['trace', 'ledger', 'checker', 'linux', 'promises', 'core', 'util']),
    wing('export', ['trace', 'ledger', 'report', 'util']),
    wing('node', ['trace', 'checker', 'core', 'report', 'util']),
    wing('cli', [
      'trace',
      'print',
      'ledger',
      'checker',
      'linux',
      'promises',
      'core',
      'report',
      'export',
      'node',
      'record',
      'util',
    ]),
    only('web', 'web', ['src/(trace|ledger|checker|linux|promises|core|report|util)']),
    only('testkit', 'testkit', ['src']),
    only('lab', 'lab', ['src', 'testkit']),
    only('bench', 'bench', ['src', 'testkit']),
    {
      name: 'reader-of-one-format',
      comment: 'a reader of one format knows nothing of the others; what two of them need is in common',
      severity: 'error',
      from: { path: '^src/trace/(tracedat|perfdata|ftracetext)/' },
      to: { path: '^src/trace/', pathNot: '^src/trace/($1/|common/|events\\.ts$)' },
    },
    {
      name: 'common-to-readers',
      comment: 'what readers share knows no format',
      severity: 'error',
      from: { path: '^src/trace/common/' },
      to: { path: '^src/trace/', pathNot: '^src/trace/(common/|events\\.ts$)' },
    },
    {
      name: 'runs-in-a-browser',
      comment: 'file access and threads are handed in by src/node or by web',
      severity: 'error',
      from: { path: '^(src/(util|promises|trace|print|ledger|checker|linux|core|report|export)|web/src)/' },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency',
      comment: 'whoever installs the package does not get these',
      severity: 'error',
      from: { path: '^(src|web/src)/' },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  // TypeScript 7 has no API to parse with. swc sees every import and export but not the type `import('x').T`.
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types'] },
  },
}
