import { expect, test } from 'vitest';
import { resolveSettings } from '../config/resolve.ts';
import { workerSettingsOf } from './worker-settings.ts';

test('what was chosen reaches the instances, with whole paths; what is merely a default here does not', () => {
  const resolved = resolveSettings({
    flags: { model: 'models/mine.onnx', modelSize: '32', modelMean: '0,0,0', pollWaitSeconds: '2' },
    environment: { IMGREC_VISIBILITY: '10', IMGREC_PORT: '80' },
    file: { 'model-labels': 'models/labels.txt', workers: 3 },
  });
  const found = workerSettingsOf(resolved, '/home/me');
  expect(found).toEqual({
    model: '/home/me/models/mine.onnx',
    'model-labels': '/home/me/models/labels.txt',
    'model-size': 32,
    'model-mean': [0, 0, 0],
    'poll-wait': 2,
    visibility: 10,
    port: 80,
  });
  // As a worker reads it: from JSON, in a folder of its own.
  const file = JSON.parse(JSON.stringify(found)) as Record<string, unknown>;
  expect(resolveSettings({ flags: {}, environment: {}, file }).values).toMatchObject({
    model: '/home/me/models/mine.onnx',
    modelMean: [0, 0, 0],
    visibilitySeconds: 10,
  });
});
