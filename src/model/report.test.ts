import { describe, expect, it } from 'vitest';
import { parseTruth } from '../image/truth.ts';
import type { FileResult } from './files.ts';
import { classifyReport, renderClassifyReport } from './report.ts';

const results: readonly FileResult[] = [
  {
    image: 'cat.jpg',
    classification: {
      label: 'tabby cat',
      probability: 0.5,
      top: [
        { label: 'tabby cat', probability: 0.5 },
        { label: 'lynx', probability: 0.25 },
      ],
      timings: { decodeMs: 1.11, resizeMs: 2.22, inferMs: 3.33 },
    },
  },
  { image: 'note.jpg', error: 'not a JPEG, PNG, WebP, GIF, BMP or TIFF image' },
];

describe('the report of classify', () => {
  it('has one result an image, with the time in the classifier or the error', () => {
    expect(classifyReport(results)).toEqual({
      schema: 'imgrec.classify/1',
      results: [
        {
          image: 'cat.jpg',
          label: 'tabby cat',
          probability: 0.5,
          top: [
            { label: 'tabby cat', probability: 0.5 },
            { label: 'lynx', probability: 0.25 },
          ],
          ms: 6.7,
        },
        { image: 'note.jpg', error: 'not a JPEG, PNG, WebP, GIF, BMP or TIFF image' },
      ],
    });
  });

  it('judges what the truth knows; an image that could not be classified is wrong', () => {
    const truth = parseTruth('cat.jpg,Lynx|TABBY CAT\nnote.jpg,oboe\nother.jpg,x', 'truth.csv');
    const report = classifyReport(results, truth);
    expect(report).toMatchObject({
      accuracy: 0.5,
      wrong: [{ image: 'note.jpg', label: null, expected: ['oboe'] }],
    });
    expect(renderClassifyReport(report, 1)).toMatch(
      /note\.jpg +│ \(not classified\) +│ oboe.*accuracy 0\.5000, 1 wrong$/s,
    );
    expect(classifyReport(results.slice(0, 1), truth)).toMatchObject({ accuracy: 1, wrong: [] });
  });

  it('shows as many labels as asked for, and how many images failed', () => {
    const report = classifyReport(results);
    expect(renderClassifyReport(report, 1)).not.toContain('lynx');
    const text = renderClassifyReport(report, 2);
    expect(text).toMatch(/cat\.jpg +│ tabby cat +│ 0\.5000/);
    expect(text).toMatch(/│ lynx +│ 0\.2500/);
    expect(text).toMatch(/note\.jpg +│ error: not a JPEG/);
    expect(text).toContain('1 of 2 failed');
  });
});
