// The demo over https and HTTP/2: pages on one host, luot on another behind nginx with deploy/nginx/luot.conf, in
// Chromium, which trusts the key of this test's certificate alone; that its CA is a sound one is curl's to say.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { launch, open_page, root, shows } from './support.mjs';

const article = '/tin-tuc/hoi-nghi-so-ket-6-thang-dau-nam-2021.html';
const own = 'article .meta [data-luot=page-views]';

describe('the demo over https', () => {
  let helper, demo, browser, page;

  const curl = async (url) => {
    const { hostname, port } = new URL(url);
    const done = await promisify(execFile)('curl', ['--silent', '--show-error', '--fail', '--noproxy', '*', '--cacert', demo.ca,
      '--resolve', `${hostname}:${port}:127.0.0.1`, '--write-out', '\n%{http_version}', url]);
    const [, body, version] = /^([^]*)\n(.*)$/.exec(done.stdout);
    return { body, version };
  };

  before(async () => {
    helper = spawn('python3', [join(root, 'tests/support/https_demo.py')], {
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }, stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: helper.stdout });
    const [line] = await Promise.race([once(lines, 'line'), once(helper, 'exit').then(() => { throw new Error('the demo did not start'); })]);
    demo = JSON.parse(line);
    browser = await launch([`--host-resolver-rules=MAP *.example.vn 127.0.0.1`, `--ignore-certificate-errors-spki-list=${demo.key}`]);
    page = await open_page(browser);
  });
  after(async () => {
    await browser?.close();
    if (helper) {
      const ended = helper.exitCode === null && once(helper, 'exit');
      helper.stdin.end();
      if (ended) assert.deepEqual((await ended)[0], 0);
    }
  });

  test('the certificate is sound and HTTP/2 is spoken', async () => {
    for (const url of [`${demo.pages}${article}`, `${demo.stats}/luot.js`]) assert.equal((await curl(url)).version, '2');
  });

  test('a page shows its numbers, and each view is one more', async () => {
    const protocols = new Set();
    page.on('response', async (response) => {
      assert.match(response.url(), /^(https|data):/);
      if (/\/(hit|luot\.js|counts)/.test(response.url())) protocols.add(`${response.status()} ${new URL(response.url()).protocol}`);
    });
    await page.goto(`${demo.pages}${article}`);
    assert.equal(await shows(page, own, '406'), '406');
    assert.equal(await page.evaluate(() => window.isSecureContext), true);
    await page.reload();
    assert.equal(await shows(page, own, '407'), '407');
    assert.ok(protocols.has('202 https:') && protocols.has('200 https:'), [...protocols].join());
    const used = await page.evaluate(() => performance.getEntriesByType('resource').filter((e) => /\/hit$|\/counts/.test(e.name)).map((e) => e.name));
    assert.ok(used.length >= 2 && used.every((name) => name.startsWith(demo.stats)), used.join());
    assert.deepEqual(page.problems, []);
  });

  test('what the browser showed is what luot has', async () => {
    const counts = JSON.parse((await curl(`${demo.stats}/api/v1/counts?site=demo&path=${article}`)).body);
    assert.equal(counts.pages[article].views, 407);
    assert.equal(counts.visits, 730);
  });

  test('without JavaScript the image counts', async () => {
    const plain = await open_page(browser, { javaScriptEnabled: false });
    const [pixel] = await Promise.all([
      plain.waitForResponse((response) => /\/hit\.gif\?/.test(response.url())),
      plain.goto(`${demo.pages}${article}`),
    ]);
    assert.equal(pixel.status(), 200);
    const after_it = encodeURIComponent((await pixel.allHeaders())['luot-token']);
    const counts = JSON.parse((await curl(`${demo.stats}/api/v1/counts?site=demo&path=${article}&after=${after_it}`)).body);
    assert.equal(counts.pages[article].views, 408);
  });
});
