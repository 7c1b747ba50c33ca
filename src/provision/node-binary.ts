/** A machine that instances run on. All have glibc: Amazon Linux 2023, Ubuntu, Debian. */
export const targets = ['linux-x64', 'linux-arm64'] as const;
export type Target = (typeof targets)[number];

export const cpuOf = (target: Target): 'x64' | 'arm64' => (target === 'linux-arm64' ? 'arm64' : 'x64');

/** The Node that instances run, from the packages that npm's registry has of Node's own builds. */
const nodeVersion = '22.23.3';

/** Of the packages in that version, as the registry states them; npm refuses anything else. */
const integrities: Readonly<Record<Target, string>> = {
  'linux-x64':
    'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  'linux-arm64':
    'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
};

/** package.json and package-lock.json of a folder that holds one Node binary and nothing else. Pure. */
export const nodeFolder = (target: Target) => {
  const name = `node-${target}`;
  const dependencies = { [name]: nodeVersion };
  return {
    name,
    integrity: integrities[target],
    manifest: { name: 'imgrec-node', private: true, dependencies },
    lock: {
      name: 'imgrec-node',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'imgrec-node', dependencies },
        [`node_modules/${name}`]: {
          version: nodeVersion,
          resolved: `https://registry.npmjs.org/${name}/-/${name}-${nodeVersion}.tgz`,
          // Its os and cpu are left out: npm refuses a dependency of another machine than the one it runs on.
          integrity: integrities[target],
        },
      },
    },
  };
};
