// collector/luot.js alone: what it promises to a page, whatever the server and the browser do. The
// server is a stub that can be told to fail; demo.test.mjs has the real one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';
import { eventually, executable, launch, minified, open_page, shows, start_stub } from './support.mjs';

const count = '<b id="n" data-luot="page-views">–</b>';
const settle = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

describe('the file', () => {
  test('is at most 2 kB gzipped once minified', () => {
    assert.ok(gzipSync(minified(), { level: 9 }).length <= 2048);
  });

  test('is ES5 from end to end', () => {
    parse(minified().toString(), { ecmaVersion: 5 });
  });
});

describe('the script on a page', () => {
  let browser, stub, page;

  before(async () => { browser = await launch(); });
  after(() => browser.close());
  beforeEach(async () => {
    stub = await start_stub();
    page = await open_page(browser);
  });
  afterEach(async () => {
    await page.context().close();
    await stub.stop();
    assert.deepEqual(page.problems, []);
  });

  const hits = (n) => eventually(() => stub.hits.length >= n && stub.hits, `${n} hits`);

  test('says what the page is, as text and without cookies', async () => {
    const url = stub.page('/a.html', count, `<link rel="canonical" href="/chuan"><meta property="article:section" content="Văn hóa">${stub.tag}`);
    await page.goto(`${url}?id=1&q=100%#x`, { referer: 'https://example.vn/tim?q=1' });
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    const { id, type, cookie, ...hit } = stub.hits[0];
    assert.match(id, /^[A-Za-z0-9_-]{16,64}$/);
    assert.equal(type, 'text/plain;charset=UTF-8');
    assert.equal(cookie, undefined);
    assert.deepEqual(hit, {
      method: 'POST', s: 'demo', p: `${stub.pages}/chuan`, u: '/a.html?id=1&q=100%25', r: 'https://example.vn/tim?q=1',
      t: 'Trang /a.html', c: 'Văn hóa', l: 'en-US', w: 1280, b: 0, tab: '',
    });
    assert.equal(stub.hits.length, 1);
    assert.equal(stub.reads.length, 1);
    assert.equal(stub.reads[0].after, 'p.1.1');
  });

  test('takes data-path before the canonical link, and that before the address', async () => {
    const paths = [];
    for (const [head, attribute] of [['', ''], ['<link rel="canonical" href="/b">', ''], ['<link rel="canonical" href="/b">', 'data-path="/c"']]) {
      await page.goto(stub.page('/a', '', head + stub.tag.replace('data-site', `${attribute} data-site`)) + '?x=1');
      paths.push((await hits(paths.length + 1)).at(-1).p);
    }
    assert.deepEqual(paths, ['/a?x=1', `${stub.pages}/b`, '/c']);
    assert.deepEqual(stub.reads, []);  // no numbers on the page, no question
  });

  test('mends a lone percent sign wherever an address comes from', async () => {
    const link = '<link rel="canonical" href="/giam-50%-gia?a=%C3%a0">';
    await page.goto(stub.page('/a', `${count}<i data-luot-path="/tra-gop-0%">–</i>`, link + stub.tag));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(await shows(page, 'i', '1.406'), '1.406');
    await page.goto(stub.page('/b', count, link + stub.tag.replace('data-site', 'data-path="/giam-100%" data-site')));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.deepEqual(stub.hits.map((hit) => hit.p), [`${stub.pages}/giam-50%25-gia?a=%C3%a0`, '/giam-100%25']);
    assert.deepEqual(stub.reads.map((read) => read.paths),
      [[`${stub.pages}/giam-50%25-gia?a=%C3%a0`, '/tra-gop-0%25'], ['/giam-100%25']]);
  });

  test('counts an address that is too long only for what advertisers add', async () => {
    const url = stub.page('/a', '');
    const long = 'x'.repeat(1500);
    await page.goto(`${url}?id=1&fbclid=${long}&p=2&gclid=${long}&op=3`);
    await hits(1);
    await page.goto(`${url}?id=1&fbclid=${long}`);
    await hits(2);
    await page.goto(stub.page('/b', '', `<link rel="canonical" href="/b">${stub.tag}`) + '?n=1&'.repeat(500));
    await hits(3);
    assert.deepEqual(stub.hits.map((hit) => [hit.p, hit.u]),
      [['/a?id=1&fbclid=&p=2&gclid=&op=3', ''], [`/a?id=1&fbclid=${long}`, ''], [`${stub.pages}/b`, '']]);
  });

  test('sends no more of referrer and title than is kept, and survives a form named "title"', async () => {
    await page.goto(stub.page('/a', `${count}<h1></h1>`));
    await hits(1);
    await page.evaluate(() => {
      document.title = 'ữ'.repeat(6000);
      history.replaceState(null, '', `/a?${'q'.repeat(3000)}`);
      history.pushState(null, '', '/b');
    });
    await hits(2);
    await page.evaluate(() => {
      history.pushState(null, '', `/c?${'q'.repeat(3000)}`);
    });
    await hits(3);
    await page.evaluate(() => history.pushState(null, '', '/d'));
    await hits(4);
    assert.equal(stub.hits[1].t, 'ữ'.repeat(500));
    assert.equal(stub.hits[3].r, `${stub.pages}/c?${'q'.repeat(3000)}`.slice(0, 2000));
    await page.goto(stub.page('/form', `${count}<form name="title"></form>`));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(stub.hits[4].t, '');
  });

  test('reads its own address when a hit is refused and the canonical link is on a foreign host', async () => {
    stub.on_hit = () => ({ status: 202, headers: { 'Luot-Refused': 'opted_out' }, body: { accepted: false, reason: 'opted_out' } });
    const read_of = async (href) => {
      await page.goto(stub.page('/a', count, `<link rel="canonical" href="${href}">${stub.tag}`) + '?id=1');
      assert.equal(await shows(page, '#n', '1.406'), '1.406');
      return stub.reads.at(-1).paths;
    };
    assert.deepEqual(await read_of('https://nguon.example.com/a'), ['/a?id=1']);
    assert.deepEqual(await read_of('/chuan'), [`${stub.pages}/chuan`]);
  });

  test('reads the page under the path that the server has for it', async () => {
    stub.on_hit = () => ({ status: 202, body: { accepted: true, token: 'p.1.1', path: '/chuan' } });
    await page.goto(stub.page('/a/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.deepEqual(stub.reads[0].paths, ['/chuan']);
  });

  test('asks once for all numbers, and leaves what is not known as it was', async () => {
    stub.on_read = () => ({
      status: 200,
      body: { views: 3680027, visits: 730, online: 3, pages: { '/': { views: 12345 }, '/x': { views: 7 }, '/y': null }, summary: { today: { views: 51, visits: 20 } } },
    });
    await page.goto(stub.page('/', `${count}
      <i data-luot="site-views">–</i><i data-luot="site-visits">–</i><i data-luot="site-online">–</i>
      <i data-luot="site-views-today">–</i><i data-luot="site-visits-today">–</i><i data-luot="site-views" data-format="plain">–</i>
      <i data-luot="page-views" data-luot-path="/x">–</i><i data-luot-path="/x">–</i>
      <i data-luot="page-views" data-luot-path="/y">5</i><i data-luot="page-views" data-luot-path="/z">6</i>
      <i data-luot="site-visits-never">8</i><i data-luot="nothing">9</i>`));
    assert.equal(await shows(page, '#n', '12.345'), '12.345');
    assert.deepEqual(await page.locator('i').allTextContents(),
      ['3.680.027', '730', '3', '51', '20', '3680027', '7', '7', '5', '6', '8', '9']);
    assert.deepEqual(stub.reads, [{ site: 'demo', paths: ['/', '/x', '/y', '/z'], after: 'p.1.1', summary: 1 }]);
  });

  test('asks for the first 100 distinct paths, and for no more than the server reads', async () => {
    const list = (length) => Array.from({ length: 240 }, (_, i) => `<i data-luot-path="/${'a'.repeat(length)}${i >> 1}">–</i>`).join('');
    await page.goto(stub.page('/short', list(80) + count));
    await eventually(() => stub.reads.length === 1);
    assert.equal(stub.reads[0].paths.length, 100);
    await page.goto(stub.page('/long', list(1000)));
    await eventually(() => stub.reads.length === 2);
    assert.ok(JSON.stringify(stub.reads[1]).length < 16384);
    assert.ok(stub.reads[1].paths.length >= 10);
    await page.goto(stub.page('/viet', list(0).replace(/"\//g, `"/${'ữ'.repeat(128)}`)));
    await eventually(() => stub.reads.length === 3);
    assert.ok(Buffer.byteLength(JSON.stringify(stub.reads[2])) < 16384);
    assert.ok(stub.reads[2].paths.length >= 36);
  });

  test('writes numbers as the page\'s language does, also where the browser knows no languages', async () => {
    for (const [lang, expected] of [['vi', '3.680.027'], ['en', '3,680,027'], ['', '3.680.027'], ['vi_VN', '3.680.027']]) {
      await page.goto(stub.page(`/${lang || 'none'}`, '<b id="n" data-luot="site-views">–</b>', stub.tag, lang));
      assert.equal(await shows(page, '#n', expected), expected);
    }
    await page.addInitScript(() => { Number.prototype.toLocaleString = function () { return `${this}`; }; });
    for (const [lang, expected] of [['vi', '3.680.027'], ['en-GB', '3,680,027']]) {
      await page.goto(stub.page(`/old-${lang}`, '<b id="n" data-luot="site-views">–</b>', stub.tag, lang));
      assert.equal(await shows(page, '#n', expected), expected);
    }
  });

  test('makes the widget a table, in Vietnamese and in English', async () => {
    await page.goto(stub.page('/', '<div data-luot-widget lang="vi" data-title="Thống kê <1>"></div><div data-luot-widget lang="en"></div>'));
    await page.waitForSelector('div[lang=en] .luot-widget');
    const rows = (lang) => page.locator(`div[lang=${lang}] .luot-row`).evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.deepEqual(await rows('vi'), [
      ['Đang truy cập', '3'], ['Hôm nay', '1.000'], ['Hôm qua', '1.001'], ['Tuần này', '1.002'], ['Tháng này', '1.003'],
      ['Tổng lượt truy cập', '730'], ['Tổng số lượt xem', '3.680.027'],
    ]);
    assert.deepEqual(await rows('en'), [
      ['Online now', '3'], ['Today', '1,000'], ['Yesterday', '1,001'], ['This week', '1,002'], ['This month', '1,003'],
      ['Total visits', '730'], ['Total views', '3,680,027'],
    ]);
    assert.equal(await page.locator('caption').allTextContents().then(String), 'Thống kê <1>');
    assert.equal(stub.reads.length, 1);
  });

  test('counts once however often it is included', async () => {
    await page.goto(stub.page('/', count + stub.tag, stub.tag + stub.tag));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    await page.addScriptTag({ url: `${stub.stats}/thong-ke/luot.js` }).catch(() => {});
    await settle(300);
    assert.equal(stub.hits.length, 1);
  });

  test('sends the same id again after an error of the server, when Retry-After has passed', async () => {
    stub.on_hit = (hit, n) => n === 1
      ? { status: 503, headers: { 'Retry-After': '1', 'Luot-Refused': 'spool_full' }, body: { accepted: false, reason: 'spool_full' } }
      : { status: 202, body: { accepted: true, token: 'p.1.2' } };
    const start = Date.now();
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.ok(Date.now() - start >= 1000);
    assert.equal(stub.hits.length, 2);
    assert.equal(stub.hits[0].id, stub.hits[1].id);
    assert.equal(stub.reads[0].after, 'p.1.2');
  });

  test('sends the same id again when the connection broke before the answer', async () => {
    let n = 0;
    await page.route('**/hit', async (route) => {
      if (++n > 1) return route.continue();
      await route.fetch();  // the server has it, the page does not know
      await route.abort('connectionreset');
    });
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(stub.hits.length, 2);
    assert.equal(stub.hits[0].id, stub.hits[1].id);
  });

  test('does not repeat what was refused, and shows the numbers all the same', async () => {
    stub.on_hit = () => ({ status: 403, headers: { 'Luot-Refused': 'host_not_allowed' }, body: { accepted: false, reason: 'host_not_allowed' } });
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(stub.hits.length, 1);
    assert.equal(stub.reads[0].after, undefined);
  });

  test('asks again for the numbers after 503, once', async () => {
    stub.on_read = ((answer) => (read, n) => n === 1 ? { status: 503, headers: { 'Retry-After': '1' }, body: { error: { code: 'unavailable' } } } : answer(read))(stub.on_read);
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(stub.reads.length, 2);
    stub.on_read = () => ({ status: 503, headers: { 'Retry-After': '1' }, body: 'busy' });
    await page.goto(stub.page('/b', `${count}<div data-luot-widget>none</div>`));
    await eventually(() => stub.reads.length === 4);
    await settle(2000);
    assert.equal(stub.reads.length, 4);
    assert.equal(await page.locator('#n').textContent(), '–');
    assert.equal(await page.locator('div').textContent(), 'none');
  });

  test('leaves the page as it was whatever the answers are', async () => {
    for (const [i, body] of ['', 'null', '[]', '<html>', '{"pages":3}', '{"views":"1<b>","pages":{"/":{"views":{}}},"summary":7}', '{"summary":{}}'].entries()) {
      stub.on_hit = stub.on_read = () => ({ status: 200, body });
      await page.goto(stub.page(`/${i}`, `${count}<i data-luot="site-views">5</i><div data-luot-widget>none</div>`));
      await eventually(() => stub.reads.length === i + 1);
      await settle(100);
      assert.equal(await page.locator('body').textContent(), '–5none', body);
    }
  });

  test('goes by XMLHttpRequest where there is no fetch', async () => {
    await page.addInitScript(() => { delete window.fetch; });
    stub.on_hit = (hit, n) => n === 1 ? { status: 500 } : { status: 202, body: { accepted: true, token: 'p.1.2' } };
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.deepEqual(stub.hits.map((hit) => [hit.method, hit.type]), Array(2).fill(['POST', 'text/plain;charset=UTF-8']));
  });

  test('goes by XMLHttpRequest where fetch is there and does not work', async () => {
    for (const [i, broken] of [() => Promise.reject(new TypeError()), () => { throw new TypeError(); }, () => 7].entries()) {
      const other = await open_page(browser);
      await other.addInitScript(`window.fetch = ${broken}`);
      await other.goto(stub.page(`/${i}`, count));
      assert.equal(await shows(other, '#n', '1.406'), '1.406');
      assert.equal(stub.hits.length, i + 1);
      assert.equal(stub.hits[i].method, 'POST');
      assert.deepEqual(other.problems, []);
      await other.context().close();
    }
  });

  test('goes as a picture also with half an emoji in the title', async () => {
    await page.addInitScript(() => { delete window.fetch; window.XMLHttpRequest = undefined; });
    stub.page('/', '');
    stub.html['/'] = stub.html['/'].replace(/<title>[^<]*/, `<title>${'a'.repeat(499)}\u{1F600}`);
    await page.goto(`${stub.pages}/`);
    assert.equal((await hits(1))[0].p, '/');
  });

  test('goes as a picture at last, with the same id', async () => {
    await page.addInitScript(() => { delete window.fetch; window.XMLHttpRequest = undefined; });
    await page.goto(stub.page('/', `${count} đ`));
    const [hit] = await hits(1);
    assert.equal(hit.method, 'GET');
    assert.equal(hit.t, 'Trang /');
    assert.match(hit.id, /^[A-Za-z0-9_-]{16,64}$/);

    let id;
    const other = await open_page(browser);
    other.on('request', (request) => { if (request.url().endsWith('/hit')) id = JSON.parse(request.postData()).id; });
    await other.route('**/hit', (route) => route.abort());
    await other.goto(stub.page('/b', count));
    await hits(2);
    assert.equal(stub.hits[1].method, 'GET');
    assert.equal(stub.hits[1].id, id);
    assert.equal(await shows(other, '#n', '1.406'), '1.406');
    await other.context().close();
  });

  test('sends a beacon when the page is left before the answer, with the same id', async () => {
    stub.on_hit = () => null;
    await page.goto(stub.page('/', count));
    await hits(1);
    await page.goto(stub.page('/without', '', ''));
    await hits(2);
    assert.equal(stub.hits[0].id, stub.hits[1].id);
    assert.equal(stub.hits[1].type, 'text/plain;charset=UTF-8');
  });

  test('sends as beacons nothing but hits, whatever a page has added to all objects', async () => {
    stub.on_hit = () => null;
    const bodies = [];
    page.on('request', (request) => { if (request.url().endsWith('/hit')) bodies.push(request.postData()); });
    await page.goto(stub.page('/', count, `<script>Object.prototype.extend = function () {}</script>${stub.tag}`));
    await hits(1);
    await page.goto(stub.page('/without', '', ''));
    await hits(2);
    await settle(300);
    assert.equal(bodies.length, 2);
    assert.equal(bodies[0], bodies[1]);
  });

  test('sends no beacon when the answer has come', async () => {
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    await page.goto(stub.page('/without', '', ''));
    await settle(300);
    assert.equal(stub.hits.length, 1);
  });

  test('is quiet while the server is away, and while it is silent', async () => {
    stub.on_hit = () => null;
    await page.goto(stub.page('/silent', count));
    await hits(1);
    assert.equal(await page.locator('#n').textContent(), '–');

    // The script comes from the cache, as for a returning reader; the server is gone.
    await page.goto('about:blank');
    const requests = [];
    await page.route(/luot\.js/, (route) => route.fulfill({ contentType: 'text/javascript; charset=utf-8', body: minified() }));
    page.on('requestfailed', (request) => requests.push(request.url().slice(stub.stats.length)));
    const url = stub.page('/away', `${count}<div data-luot-widget></div>`);
    await stub.stop_stats();
    await page.goto(url);
    await eventually(() => requests.some((path) => path.startsWith('/thong-ke/hit.gif?')), 'all ways tried');
    await settle(300);
    assert.deepEqual(requests.map((path) => path.split('?')[0]), ['/thong-ke/hit', '/thong-ke/hit', '/thong-ke/hit.gif']);
    assert.equal(await page.locator('#n').textContent(), '–');
    assert.equal(await page.locator('div').textContent(), '');
  });

  test('does not hold up the page when the script itself never comes', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const held = [];
    silent.on('connection', (socket) => held.push(socket.on('error', () => {})));
    const start = Date.now();
    await page.goto(stub.page('/', '<p>text</p>', `<script async src="http://127.0.0.1:${silent.address().port}/luot.js" data-site="demo"></script>`), { waitUntil: 'domcontentloaded' });
    assert.ok(Date.now() - start < 2000);
    assert.equal(await page.locator('p').textContent(), 'text');
    held.forEach((socket) => socket.destroy());
    silent.close();
  });

  test('does not hold up the page when the server is slow', async () => {
    stub.on_hit = ((answer) => () => new Promise((done) => setTimeout(() => done(answer()), 3000)))(stub.on_hit);
    const start = Date.now();
    await page.goto(stub.page('/', count), { waitUntil: 'load' });
    assert.ok(Date.now() - start < 2000);
    assert.equal(await page.locator('#n').textContent(), '–');
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.ok(Date.now() - start >= 3000);
    assert.equal(stub.hits.length, 1);
  });

  test('waits while the page is only prerendered', async () => {
    await page.addInitScript(() => { Object.defineProperty(document, 'prerendering', { configurable: true, value: true }); });
    await page.goto(stub.page('/', count));
    await settle(200);
    assert.equal(stub.hits.length, 0);
    await page.evaluate(() => {
      Object.defineProperty(document, 'prerendering', { value: false });
      document.dispatchEvent(new Event('prerenderingchange'));
    });
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.equal(stub.hits.length, 1);
  });

  test('counts a page that the browser prerenders once it is shown', async (context) => {
    // Chromium prerenders nothing while it is driven: it follows a link of the page's own accord here.
    stub.page('/next', '', `<script>
      document.title = document.prerendering ? 'prerendered' : 'loaded';
      document.addEventListener('prerenderingchange', function () { document.title += ', shown'; });
      </script>${stub.tag}`);
    const url = stub.page('/first', '', `<script type="speculationrules">{"prerender":[{"source":"list","urls":["/next"]}]}</script>
      <script>setTimeout(function () { location.href = '/next'; }, 2500);</script>`);
    const folder = mkdtempSync(join(tmpdir(), 'luot-browser.'));
    const alone = spawn(executable, ['--headless', '--no-sandbox', '--remote-debugging-port=0', '--no-first-run',
      '--disable-background-networking', `--user-data-dir=${folder}`, url], { stdio: 'ignore' });
    try {
      await eventually(() => stub.hits.length, 'a hit', 30);
      await settle(500);
    } finally {
      alone.kill();
      await once(alone, 'exit');
      // Its children write on for a moment; rmSync's own retries do not look for new files.
      await eventually(() => {
        try {
          rmSync(folder, { recursive: true, force: true });
          return true;
        } catch {
          return false;
        }
      }, 'the folder is removed', 20);
    }
    if (stub.hits[0].t === 'loaded') return context.skip('this browser prerenders nothing');
    assert.deepEqual(stub.hits.map((hit) => [hit.p, hit.t]), [['/next', 'prerendered, shown']]);
  });

  test('counts a page that comes back from the back-forward cache as a new view', async () => {
    await page.goto(stub.page('/', count));
    await hits(1);
    await page.evaluate(() => {
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }));
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    });
    await hits(2);
    await settle(200);
    assert.equal(stub.hits.length, 2);
    assert.notEqual(stub.hits[0].id, stub.hits[1].id);
    assert.equal(stub.hits[1].p, '/');
  });

  test('counts the views of a single-page site: a new path is one, a new hash is none', async () => {
    await page.goto(stub.page('/', count, `<link rel="canonical" href="/">${stub.tag}`));
    await hits(1);
    const after_ = (steps) => page.evaluate(steps).then(() => settle(300)).then(() => stub.hits.length);
    assert.equal(await after_(() => history.pushState(null, '', '#a')), 1);
    assert.equal(await after_(() => { location.hash = 'b'; }), 1);
    assert.equal(await after_(() => history.replaceState(null, '', '/?trang=2')), 1);
    assert.equal(await after_(() => history.pushState(null, '', '/?trang=2#c')), 1);
    assert.equal(await after_(() => history.pushState(null, '', '/bai-1')), 2);
    assert.equal(await after_(() => history.pushState(null, '', '/bai-1')), 2);
    assert.equal(await after_(() => { history.pushState(null, '', '/chuyen'); history.replaceState(null, '', '/bai-2'); }), 3);
    assert.equal(await after_(() => history.back()), 4);
    assert.deepEqual(stub.hits.map((hit) => hit.p), [`${stub.pages}/`, '/bai-1', '/bai-2', '/bai-1']);
    assert.deepEqual(stub.hits.map((hit) => hit.r),
      ['', `${stub.pages}/`, `${stub.pages}/bai-1`, `${stub.pages}/bai-2`]);
    assert.equal(new Set(stub.hits.map((hit) => hit.id)).size, 4);
  });

  test('counts a view of a single-page site that is left at once', async () => {
    await page.goto(stub.page('/', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    const next = stub.page('/without', '', '');
    await page.evaluate((url) => {
      history.pushState(null, '', '/b');
      location.href = url;
    }, next);
    await hits(2);
    await settle(300);
    const [first, ...others] = stub.hits;
    assert.equal(first.p, '/');
    assert.deepEqual([...new Set(others.map((hit) => `${hit.p} ${hit.r}`))], [`/b ${stub.pages}/`]);
    assert.equal(new Set(others.map((hit) => hit.id)).size, 1);
  });

  test('tells nobody the fragment of a page that a single-page site has left', async () => {
    await page.goto(stub.page('/cb', count) + '#access_token=secret');
    await hits(1);
    await page.evaluate(() => history.pushState(null, '', '/b#token=other'));
    await hits(2);
    await page.evaluate(() => history.pushState(null, '', '/c'));
    await hits(3);
    assert.deepEqual(stub.hits.map((hit) => hit.r), ['', `${stub.pages}/cb`, `${stub.pages}/b`]);
    assert.doesNotMatch(JSON.stringify(stub.hits), /secret|other/);
  });

  test('fills in the numbers of the newest view only', async () => {
    let release;
    const held = new Promise((done) => { release = done; });
    await page.route('**/counts', async (route) => {
      if (JSON.parse(route.request().postData()).paths[0] === '/') await held;
      await route.continue();
    });
    stub.on_read = (read) => ({ status: 200, body: { pages: { [read.paths[0]]: { views: read.paths[0] === '/' ? 1 : 2 } } } });
    await page.goto(stub.page('/', count));
    await hits(1);
    await page.evaluate(() => history.pushState(null, '', '/b'));
    assert.equal(await shows(page, '#n', '2'), '2');
    release();
    await settle(300);
    assert.equal(await page.locator('#n').textContent(), '2');
  });

  test('leaves history as the site knows it', async () => {
    await page.goto(stub.page('/', count));
    await hits(1);
    const result = await page.evaluate(() => {
      let thrown = '';
      try { history.pushState(null, '', 'http://elsewhere.invalid/'); } catch (error) { thrown = error.name; }
      history.pushState({ a: 1 }, '', '/b');
      return [thrown, history.state.a, location.pathname];
    });
    assert.deepEqual(result, ['SecurityError', 1, '/b']);
  });

  test('keeps nothing in the browser', async () => {
    await page.goto(stub.page('/a', count));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie]), [0, 0, '']);
  });

  test('keeps a random id for the tab where the site asks for it, and nothing else', async () => {
    const tag = stub.tag.replace('data-site', 'data-visitor="tab" data-site');
    const url = stub.page('/a', count, tag);
    // The number shown: the hit was answered, so that leaving the page does not send it again.
    await page.goto(url);
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    await page.reload();
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    const other = await page.context().newPage();
    await other.goto(url);
    assert.equal(await shows(other, '#n', '1.406'), '1.406');
    await page.goto(stub.page('/b', count));  // a page whose tag does not ask
    await hits(4);
    const [first, again, of_other, silent] = stub.hits.map((hit) => hit.tab);
    assert.match(first, /^[A-Za-z0-9_-]{16,64}$/);
    assert.equal(again, first);
    assert.match(of_other, /^[A-Za-z0-9_-]{16,64}$/);
    assert.notEqual(of_other, first);
    assert.equal(silent, '');
    assert.deepEqual(await other.evaluate(() => [{ ...sessionStorage }, localStorage.length, document.cookie]),
      [{ luot: of_other }, 0, '']);
    await other.close();
  });

  test('counts by the address where nothing may be kept in the tab', async () => {
    await page.addInitScript(() => {
      Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });
    });
    await page.goto(stub.page('/a', count, stub.tag.replace('data-site', 'data-visitor="tab" data-site')));
    assert.equal(await shows(page, '#n', '1.406'), '1.406');
    assert.deepEqual(stub.hits.map((hit) => hit.tab), ['']);
  });

  test('tells that it is driven by a machine', async () => {
    await page.addInitScript(() => { Object.defineProperty(navigator, 'webdriver', { value: true }); });
    await page.goto(stub.page('/', count));
    assert.ok((await hits(1))[0].b > 0);
  });
});
