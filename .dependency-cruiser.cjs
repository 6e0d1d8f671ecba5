// The arrows of docs/architecture.md, held by a tool: cli -> report -> (engine | ledger | core) -> linux.
const only = (from, allowed) => ({
  name: `${from}-imports`,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: { path: '^src/', pathNot: `^src/(${[from, ...allowed].join('|')})/` },
})
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    only('trace', []),
    only('core', []),
    only('engine', []),
    only('linux', ['engine']),
    only('ledger', ['trace', 'linux']),
    only('report', ['trace', 'ledger', 'engine', 'linux', 'core']),
    {
      name: 'runs-in-a-browser',
      comment: 'file access and threads are handed in by src/cli',
      severity: 'error',
      from: { path: '^src/(trace|ledger|engine|linux|report)/' },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, doNotFollow: { path: 'node_modules' } },
}
