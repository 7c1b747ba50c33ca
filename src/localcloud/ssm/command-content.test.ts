import { expect, test } from 'vitest';
import { fillIn, isUnitLook, readCommandContent, readUnitStop } from './command-content.ts';

const document = (runCommand: unknown, parameters?: object) =>
  readCommandContent(
    JSON.stringify({
      schemaVersion: '2.2',
      ...(parameters && { parameters }),
      mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand } }],
    }),
  );

test.each([
  [['systemctl stop imgrec-worker'], { unit: 'imgrec-worker', waits: true }],
  [
    ['#!/bin/sh', 'set -eu', '', '# drain', 'systemctl stop imgrec-worker.service'],
    { unit: 'imgrec-worker.service', waits: true },
  ],
  [['systemctl --no-block stop a@1'], { unit: 'a@1', waits: false }],
  [['systemctl stop a; rm -rf /'], undefined],
  [['systemctl stop a', 'reboot'], undefined],
  [['systemctl stop a b'], undefined],
  [['echo systemctl stop a'], undefined],
  [[], undefined],
])('of %j the local cloud can do %j', (lines, stop) => {
  expect(readUnitStop(lines)).toEqual(stop);
});

test('a parameter of several values becomes several lines, and one in a line a word', () => {
  const [step] = fillIn(
    document(['{{ commands }}', 'echo {{ name }}'], {
      commands: { type: 'StringList' },
      name: { type: 'String', default: 'x' },
    }),
    { commands: ['a', 'b'] },
  );
  expect(step?.lines).toEqual(['a', 'b', 'echo x']);
});

test('a parameter that the document does not have is refused, and so is one without a value', () => {
  const taking = document(['{{ name }}'], { name: { type: 'String' } });
  expect(() => fillIn(taking, { other: ['x'] })).toThrow('no parameter other');
  expect(() => fillIn(taking, {})).toThrow('name has no value');
});

test.each([
  '',
  '[]',
  '{"schemaVersion":"2.2"}',
  '{"schemaVersion":"2.2","mainSteps":[]}',
  '{"schemaVersion":"9","mainSteps":[{"action":"a","name":"b"}]}',
])('what is no document of type Command is refused: %s', (text) => {
  expect(() => readCommandContent(text)).toThrow('not valid');
});

test.each([
  [['systemctl is-active imgrec@image.service'], true],
  [['set -eu', '# look', 'systemctl is-active a'], true],
  [['systemctl is-active a && reboot'], false],
  [['systemctl is-active a', 'systemctl stop a'], false],
  [[], false],
])('%j asks whether a unit runs: %j', (lines, looks) => {
  expect(isUnitLook(lines)).toBe(looks);
});
