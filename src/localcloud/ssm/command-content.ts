import { z } from 'zod';
import { Refusal } from '../answer.ts';

/** Of a document of type Command, what it runs: https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-schemas-features.html */
export interface CommandContent {
  readonly schemaVersion: string;
  /** Names of the parameters that it takes, and their defaults. */
  readonly parameters: Readonly<Record<string, readonly string[] | undefined>>;
  readonly steps: readonly {
    readonly name: string;
    readonly action: string;
    readonly lines: readonly string[];
  }[];
}

const lines = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
const parameters = z
  .record(z.string(), z.looseObject({ type: z.string(), default: lines.optional() }))
  .default({})
  .transform((all) =>
    Object.fromEntries(Object.entries(all).map(([name, parameter]) => [name, parameter.default])),
  );

const schema2 = z
  .looseObject({
    schemaVersion: z.enum(['2.0', '2.2']),
    parameters,
    mainSteps: z
      .array(
        z.looseObject({
          action: z.string(),
          name: z.string(),
          inputs: z.looseObject({ runCommand: lines.default([]) }).default({ runCommand: [] }),
        }),
      )
      .min(1),
  })
  .transform(
    (document): CommandContent => ({
      schemaVersion: document.schemaVersion,
      parameters: document.parameters,
      steps: document.mainSteps.map(({ name, action, inputs }) => ({
        name,
        action,
        lines: inputs.runCommand,
      })),
    }),
  );

const schema1 = z
  .looseObject({
    schemaVersion: z.literal('1.2'),
    parameters,
    runtimeConfig: z.record(
      z.string(),
      z.looseObject({
        properties: z.array(z.looseObject({ id: z.string(), runCommand: lines.default([]) })),
      }),
    ),
  })
  .transform(
    (document): CommandContent => ({
      schemaVersion: document.schemaVersion,
      parameters: document.parameters,
      steps: Object.entries(document.runtimeConfig).flatMap(([action, { properties }]) =>
        properties.map(({ id, runCommand }) => ({ name: id, action, lines: runCommand })),
      ),
    }),
  );

const content = z.union([schema2, schema1]);

/** Throws InvalidDocumentContent. */
export const readCommandContent = (text: string): CommandContent => {
  try {
    return content.parse(JSON.parse(text));
  } catch {
    throw new Refusal('InvalidDocumentContent', 'The content for the document is not valid.');
  }
};

const reference = /\{\{\s*([A-Za-z0-9_]+)\s*\}\}/g;

/**
 * The lines of each step with the parameters in their places. A line that is nothing but a parameter becomes all of its values.
 * Throws InvalidParameters for one that the document does not have, or that has no value.
 */
export const fillIn = (
  document: CommandContent,
  given: Readonly<Record<string, readonly string[]>>,
): CommandContent['steps'] => {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(document.parameters, name));
  if (unknown !== undefined)
    throw new Refusal('InvalidParameters', `The document has no parameter ${unknown}.`);
  const valuesOf = (name: string): readonly string[] => {
    const values = given[name] ?? document.parameters[name];
    if (values === undefined) throw new Refusal('InvalidParameters', `The parameter ${name} has no value.`);
    return values;
  };
  const filled = (line: string): readonly string[] => {
    const [whole, name = ''] = /^\s*\{\{\s*([A-Za-z0-9_]+)\s*\}\}\s*$/.exec(line) ?? [];
    if (whole !== undefined) return valuesOf(name);
    return [line.replace(reference, (_, inner: string) => valuesOf(inner).join(' '))];
  };
  return document.steps.map((step) => ({ ...step, lines: step.lines.flatMap(filled) }));
};

/** Blank lines, comments and the shell's options do not count. */
const toldBy = (lines: readonly string[]): readonly string[] =>
  lines
    .flatMap((line) => line.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !/^set -[a-z]+( pipefail)?$/.test(line));

/** What a step asks for, if it is that the unit be stopped which an instance's program is. */
export const readUnitStop = (
  lines: readonly string[],
): { readonly unit: string; readonly waits: boolean } | undefined => {
  const told = toldBy(lines);
  const [only = ''] = told;
  const [whole, noBlock, unit = ''] = /^systemctl (--no-block )?stop ([A-Za-z0-9@_.:-]+)$/.exec(only) ?? [];
  return told.length === 1 && whole !== undefined ? { unit, waits: noBlock === undefined } : undefined;
};

/** Whether a step asks whether that unit runs. */
export const isUnitLook = (lines: readonly string[]): boolean => {
  const [only = '', ...others] = toldBy(lines);
  return others.length === 0 && /^systemctl is-active [A-Za-z0-9@_.:-]+$/.test(only);
};
