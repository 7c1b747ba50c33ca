import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assetPath } from '../../src/package.ts';
import { newHome, startDev } from '../fixtures/dev.ts';
import { killStarted } from '../fixtures/processes.ts';

const browser = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

describe.skipIf(browser === undefined)(
  'the page in a browser (Chromium or Chrome has to be installed)',
  () => {
    let root: string;
    beforeAll(async () => {
      root = await mkdtemp(path.join(tmpdir(), 'imgrec-page-'));
    });
    afterAll(async () => {
      killStarted();
      await rm(root, { recursive: true, force: true });
    });

    test('sends a photograph and shows its label, with JavaScript switched off', {
      timeout: 60_000,
    }, async () => {
      const { run, url } = await startDev(await newHome(root, 'page'), ['--classifiers', '1']);
      const opened = await chromium.launch({ executablePath: browser ?? '', args: ['--no-sandbox'] });
      try {
        const context = await opened.newContext({ javaScriptEnabled: false });
        const page = await context.newPage();
        const problems: string[] = [];
        page.on('console', (message) => problems.push(message.text()));
        await page.goto(url);
        if (process.env['IMGREC_TEST_SCREENSHOT'])
          await page.screenshot({ path: process.env['IMGREC_TEST_SCREENSHOT'] });
        expect(await page.textContent('h1')).toBe('Application Home Page');
        await page.setInputFiles('input[type=file]', assetPath('samples', 'daisy.jpg'));
        await page.click('button');
        await page.waitForLoadState();
        expect(await page.textContent('body')).toBe('daisy');
        expect(problems).toEqual([]);
      } finally {
        await opened.close();
      }
      run.interrupt();
      expect(await run.exit()).toEqual({ code: 0, signal: null });
    });

    test('asks for the API key where one is needed, keeps it in the tab, and shows what the web tier says', {
      timeout: 60_000,
    }, async () => {
      const home = await newHome(root, 'keys');
      const key = 'k'.repeat(24);
      await writeFile(path.join(home, 'keys'), `browser:${key}\n`);
      const { run, url } = await startDev(home, ['--classifiers', '1', '--api-key-file', 'keys']);
      const opened = await chromium.launch({ executablePath: browser ?? '', args: ['--no-sandbox'] });
      try {
        const page = await (await opened.newContext()).newPage();
        const violations: string[] = [];
        page.on('pageerror', (error) => violations.push(error.message));
        await page.goto(url);
        if (process.env['IMGREC_TEST_SCREENSHOT'])
          await page.screenshot({ path: `${process.env['IMGREC_TEST_SCREENSHOT']}-key.png` });
        expect(await page.textContent('code')).toBe(
          "curl -H 'Authorization: Bearer KEY' -F myfile=@photo.jpg",
        );
        await page.setInputFiles('input[type=file]', assetPath('samples', 'daisy.jpg'));
        const answerTo = async (typed: string) => {
          await page.fill('#key', typed);
          const answered = page.waitForResponse((response) => response.request().method() === 'POST');
          await page.click('button');
          await answered;
          await page.waitForFunction("!['', '…'].includes(document.querySelector('#answer').textContent)");
          return page.textContent('#answer');
        };
        expect(await answerTo('not-the-key-that-it-is')).toContain('Unauthorized');
        expect(await answerTo(key)).toBe('daisy');
        expect(page.url()).toBe(url);
        const kept = '[sessionStorage.length, localStorage.length, document.cookie]';
        expect(await page.evaluate(kept)).toEqual([1, 0, '']);
        await page.reload();
        expect(await page.inputValue('#key')).toBe(key);
        expect(violations).toEqual([]);
      } finally {
        await opened.close();
      }
      run.interrupt();
      expect(await run.exit()).toEqual({ code: 0, signal: null });
    });
  },
);
