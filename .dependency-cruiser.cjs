// The arrows of docs/architecture.md, held by a tool: cli -> report -> (checker | ledger | core) -> linux.
const only = (from, allowed) => ({
  name: `${from}-imports`,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: { path: '^src/', pathNot: `^src/(${[from, ...allowed].join('|')})/` },
})
/** A stage of the checker: of the files beside the stages it may import what all of them share, none that runs them. */
const stage = (name, earlier) => ({
  name: `checker-${name}-imports`,
  severity: 'error',
  from: { path: `^src/checker/${name}/` },
  to: {
    path: '^src/checker/',
    pathNot: `^src/checker/((${[name, ...earlier].join('|')})/|(model|verdict|options|budget|determinism|value-key)[.]ts)`,
  },
})
module.exports = {
  forbidden: [
    { name: 'no-circular', comment: 'of types neither', severity: 'error', from: {}, to: { circular: true } },
    only('util', []),
    only('trace', ['util']),
    only('core', ['linux', 'util']),
    {
      name: 'core-readers',
      comment: 'what reads dumps knows nothing of protocols; only what judges their pages does',
      severity: 'error',
      from: { path: '^src/core/(memory|kernel|arch)/' },
      to: { path: '^src/', pathNot: '^src/(core|util)/' },
    },
    only('checker', []),
    stage('learn', []),
    stage('pack', ['learn']),
    stage('reduce', ['learn', 'pack']),
    stage('codegen', ['learn', 'pack', 'reduce']),
    stage('explore', ['codegen']),
    stage('reference', []),
    stage('explain', ['codegen', 'explore', 'pack', 'reference']),
    only('linux', ['checker']),
    only('ledger', ['trace', 'linux', 'util']),
    only('report', ['trace', 'ledger', 'checker', 'linux', 'core', 'util']),
    {
      name: 'runs-in-a-browser',
      comment: 'file access and threads are handed in by src/cli',
      severity: 'error',
      from: { path: '^src/(util|trace|ledger|checker|linux|core|report)/' },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency',
      comment: 'whoever installs the package does not get these',
      severity: 'error',
      from: { path: '^src/' },
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
