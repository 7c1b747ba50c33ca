// npm run assemble: makes src/model/resample-wasm.ts of src/model/resample.wat, with wabt. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import openWabt from 'wabt';

const at = (name) => fileURLToPath(new URL(`../src/model/${name}`, import.meta.url));

/** The TypeScript module that holds the assembled code, as text. */
export const assembled = async () => {
  const wabt = await openWabt();
  const module = wabt.parseWat('resample.wat', readFileSync(at('resample.wat'), 'utf8'), { simd: true });
  const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
  const lines = base64.match(/.{1,96}/g).map((line) => `  '${line}',`);
  return `/** resample.wat, assembled; base64. Made by "npm run assemble", not by hand. */
export const resampleWasm = [
${lines.join('\n')}
].join('');
`;
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(at('resample-wasm.ts'), await assembled());
