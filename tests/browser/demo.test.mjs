// The demo as a new user meets it: deploy/quickstart.sh, the real luot behind it, and the numbers that
// a browser shows. LUOT_BIN names another luot than build/release/luot; LUOT_SCREENSHOT=1 renews
// docs/demo.png.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { eventually, launch, open_page, root, shows, start_quickstart } from './support.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const article = '/tin-tuc/hoi-nghi-so-ket-6-thang-dau-nam-2021.html';
const related = [
  ['/tin-tuc/khai-truong-chuyen-muc-hoi-dap.html', '1.286'],
  ['/chuyen-doi-so/lop-hoc-ky-nang-so-cho-nguoi-cao-tuoi.html', '2.914'],
  ['/van-hoa/thu-vien-tinh-so-hoa-tu-lieu-dia-phuong.html', '958'],
  ['/van-hoa/cuoc-thi-anh-mot-ngay-o-que-toi.html', '3.420'],
  ['/thong-bao/lich-bao-tri-trung-tam-du-lieu-thang-8.html', '671'],
];
const own = 'article .meta [data-luot=page-views]';

// Each test goes on from the counts that the one before has left: one demo, one reader.
describe('the demo', () => {
  let demo, browser, page;

  before(async () => {
    demo = await start_quickstart();
    browser = await launch();
    page = await open_page(browser);
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  const numbers = async (target = page) => [
    await target.locator(own).textContent(),
    await target.locator('[data-luot=site-visits]').textContent(),
    await target.locator('[data-luot=site-views]').textContent(),
  ];
  const rows = (target = page) => target.locator('.luot-row').evaluateAll(
    (all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));

  /** What luot counts for a path; with a token, once the hit of this token is in. */
  async function views_of(path, token) {
    const query = new URLSearchParams({ site: 'demo', path, ...(token && { after: token }) });
    const answer = await (await fetch(`${demo.stats}/api/v1/counts?${query}`)).json();
    return answer.pages[path].views;
  }

  /** Does something, and answers the token of the hit that it makes. */
  async function hit_of(action, target = page) {
    const [answer] = await Promise.all([
      target.waitForResponse((response) => /\/hit(\.gif)?(\?|$)/.test(response.url()) && response.ok()),
      action(),
    ]);
    const token = (await answer.allHeaders())['luot-token'];
    assert.ok(token, 'the answer names its token');
    return token;
  }

  test('shows 406, 730 and 3.680.027 at the very first load', async () => {
    assert.equal(new URL(demo.url).pathname, article);
    await page.goto(demo.url);
    await shows(page, own, '406');
    assert.deepEqual(await numbers(), ['406', '730', '3.680.027']);
    assert.match(await page.locator('article > .meta').textContent(), /26\/07\/2021 15:31\s+Lượt xem:\s+406/);
    assert.match(await page.locator('aside').innerText(), /Số lượt truy cập:\s+730\s+Tổng số lượt xem:\s+3\.680\.027/);
    if (process.env.LUOT_SCREENSHOT === '1') await page.screenshot({ path: join(root, 'docs/demo.png') });
  });

  test('shows 407, 730 and 3.680.028 after a reload', async () => {
    await page.reload();
    await shows(page, own, '407');
    assert.deepEqual(await numbers(), ['407', '730', '3.680.028']);
  });

  test('shows a count beside each related article', async () => {
    const shown = await page.locator('.related li').evaluateAll(
      (all) => all.map((li) => [li.querySelector('a').getAttribute('href'), li.querySelector('[data-luot]').textContent]));
    assert.deepEqual(shown, related);
  });

  test('shows the widget in Vietnamese', async () => {
    assert.deepEqual(await rows(), [
      ['Đang truy cập', '1'], ['Hôm nay', '1'], ['Hôm qua', '0'], ['Tuần này', '1'], ['Tháng này', '1'],
      ['Tổng lượt truy cập', '730'], ['Tổng số lượt xem', '3.680.028'],
    ]);
  });

  test('shows the widget and the numbers in English on the English page', async () => {
    await page.goto(`${demo.site}/en/`);
    await shows(page, own, '9,307');
    assert.deepEqual(await numbers(), ['9,307', '730', '3,680,029']);
    assert.deepEqual(await rows(), [
      ['Online now', '1'], ['Today', '1'], ['Yesterday', '0'], ['This week', '1'], ['This month', '1'],
      ['Total visits', '730'], ['Total views', '3,680,029'],
    ]);
  });

  test('counts the home page, and shows on it the count of each article', async () => {
    await page.goto(`${demo.site}/`);
    await shows(page, '.own [data-luot]', '214.874');
    assert.equal(await page.locator('.own [data-luot]').textContent(), '214.874');
    const shown = await page.locator('[data-luot-path]').evaluateAll((all) => all.map((e) => [e.dataset.luotPath, e.textContent]));
    assert.deepEqual(shown, [[article, '407'], ...related]);
  });

  test('serves a script of at most 2 kB, gzipped', async () => {
    const script = Buffer.from(await (await fetch(`${demo.stats}/luot.js`)).arrayBuffer());
    assert.ok(gzipSync(script, { level: 9 }).length <= 2048);
  });

  test('counts once when the script is included twice', async () => {
    const before_ = await views_of(article);
    let hits = 0;
    const count = (request) => { if (request.url().endsWith('/hit')) hits++; };
    page.on('request', count);
    await page.goto(demo.url);
    await page.evaluate(() => new Promise((loaded) => {
      const again = document.createElement('script');
      const first = document.querySelector('script');
      again.src = first.src;
      again.dataset.site = first.dataset.site;
      again.onload = loaded;
      document.head.append(again);
    }));
    await shows(page, own, `${before_ + 1}`);
    assert.equal(await page.locator(own).textContent(), `${before_ + 1}`);
    assert.equal(hits, 1);
    assert.equal(await views_of(article), before_ + 1);
    page.off('request', count);
  });

  test('counts once when the answer is lost and the hit sent again', async () => {
    const before_ = await views_of(article);
    const ids = [];
    await page.route('**/hit', async (route) => {
      ids.push(JSON.parse(route.request().postData()).id);
      if (ids.length > 1) return route.continue();
      await route.fetch();  // luot has it, the page does not know
      await route.abort('connectionreset');
    });
    await page.goto(demo.url);
    await shows(page, own, `${before_ + 1}`);
    assert.equal(await page.locator(own).textContent(), `${before_ + 1}`);
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    await page.unroute('**/hit');
  });

  test('counts the views of a single-page site', async () => {
    const before_ = await views_of(related[0][0]);
    const token = await hit_of(() => page.evaluate((path) => history.pushState(null, '', path), related[0][0]));
    assert.equal(await views_of(related[0][0], token), before_ + 1);
    await shows(page, own, `${before_ + 1}`.replace(/^1/, '1.'));
    assert.equal(await page.locator(own).textContent(), `${before_ + 1}`.replace(/^1/, '1.'));
  });

  test('counts without JavaScript, by the picture', async () => {
    const before_ = await views_of(article);
    const without = await open_page(browser, { javaScriptEnabled: false });
    const token = await hit_of(() => without.goto(demo.url), without);
    assert.equal(await views_of(article, token), before_ + 1);
    assert.deepEqual(await numbers(without), ['–', '–', '–']);
    await without.context().close();
  });

  test('adds up: the views of the site are those of its pages', async () => {
    const answer = await (await fetch(`${demo.stats}/api/v1/counts?site=demo&path=${article}`)).json();
    // the first load, the reload, /en/, /, the doubled script, the lost answer, the single-page view, the picture
    assert.equal(answer.views, 3680026 + 8);
    assert.equal(answer.visits, 730);
  });

  for (const [name, viewport] of [['a desk', { width: 1280, height: 900 }], ['a phone', { width: 390, height: 844 }]]) {
    test(`is accessible and no wider than the screen on ${name}`, async () => {
      for (const path of ['/', article, '/en/', '/404.html']) {
        const other = await open_page(browser, { viewport, bypassCSP: true });
        await other.goto(demo.site + path);
        if (path !== '/404.html') await other.waitForSelector('.luot-row');
        await other.evaluate(axe);
        const { violations } = await other.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map((v) => `${path} ${v.id}: ${v.nodes.map((n) => n.html)}`), []);
        assert.ok(await other.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path);
        await other.context().close();
      }
    });
  }

  test('has thrown nothing and kept to its content security policy', async () => {
    const answer = await fetch(demo.url);
    assert.match(answer.headers.get('content-security-policy'), /^default-src 'self'; script-src 'self' http:\/\/127\.0\.0\.1:\d+; /);
    assert.deepEqual(page.problems, []);
  });

  test('keeps its pages whole when luot has gone', async () => {
    // As after its death: the page comes from nginx, the script from the cache, the rest is refused.
    const script = await (await fetch(`${demo.stats}/luot.js`)).text();
    const other = await open_page(browser);
    let failed = 0;
    await other.route((url) => url.origin === demo.stats, (route) => {
      const path = route.request().url().slice(demo.stats.length);
      if (path === '/luot.js') return route.fulfill({ contentType: 'text/javascript; charset=utf-8', body: script });
      failed++;
      return route.abort('connectionrefused');
    });
    await other.goto(demo.url);
    await eventually(() => failed === 3, 'two hits and the picture have failed');
    assert.deepEqual(await numbers(other), ['–', '–', '–']);
    assert.equal(await other.locator('[data-luot-widget]').innerHTML(), '');
    assert.match(await other.locator('h1').textContent(), /^Sở Thông tin Mẫu tổ chức Hội nghị/);
    assert.deepEqual(other.problems, []);

    // And when not even the script comes.
    await other.unrouteAll();
    await other.route((url) => url.origin === demo.stats, (route) => route.abort('connectionrefused'));
    await other.goto(demo.url);
    assert.deepEqual(await numbers(other), ['–', '–', '–']);
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  test('ends with status 0, and leaves neither a process nor a folder behind', async () => {
    const children = () => readFileSync(`/proc/${demo.process.pid}/task/${demo.process.pid}/children`, 'utf8').trim().split(' ');
    const pids = children();
    assert.equal(pids.length, 2);
    assert.equal(await demo.stop('SIGINT'), 0);
    for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}`));
    assert.ok(!existsSync(demo.folder));
    assert.equal(demo.errors, '');
  });
});

describe('quickstart', () => {
  test('says what is wrong when a port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = `${taken.address().port}`;
    for (const [option, message] of [['--port', /luot did not start/], ['--demo-port', /nginx could not serve the demo on port/]]) {
      const quickstart = await start_quickstart([option, port], false);
      assert.equal(await quickstart.exit_status(), 1);
      assert.match(quickstart.errors, message);
    }
    taken.close();
  });

  test('takes down nginx when luot dies, and says so', async () => {
    const demo = await start_quickstart();
    const [luot] = readFileSync(`/proc/${demo.process.pid}/task/${demo.process.pid}/children`, 'utf8').trim().split(' ');
    process.kill(Number(luot), 'SIGKILL');
    assert.equal(await demo.exit_status(), 1);
    assert.match(demo.errors, /luot has ended by itself/);
    await assert.rejects(fetch(demo.url));
    assert.ok(!existsSync(demo.folder));
  });

  test('has pages that stay whole when luot freezes and dies while they are being read', async () => {
    const demo = await start_quickstart();
    const browser = await launch();
    try {
      const [luot] = readFileSync(`/proc/${demo.process.pid}/task/${demo.process.pid}/children`, 'utf8').trim().split(' ');
      const page = await open_page(browser);
      const other = await page.context().newPage();
      other.on('pageerror', (error) => page.problems.push(String(error)));
      const failed = [];
      page.on('requestfailed', (request) => failed.push(new URL(request.url()).pathname));
      const times = (path) => failed.filter((other_) => other_ === path).length;
      const text = () => page.evaluate(() => document.body.innerText);
      const go = (path) => page.evaluate((url) => history.pushState(null, '', url), path);

      await page.goto(demo.url);
      await shows(page, own, '406');
      await page.waitForSelector('.luot-row');
      const whole = await text();

      process.kill(Number(luot), 'SIGSTOP');
      await go(related[0][0]);
      const start = Date.now();
      await other.goto(demo.site + related[1][0]);  // the script comes from the cache, as for any reader who goes on
      assert.ok(Date.now() - start < 3000);
      assert.equal(await other.locator(own).textContent(), '–');
      assert.equal(await text(), whole);

      process.kill(Number(luot), 'SIGKILL');
      await go(related[2][0]);
      await eventually(() => times('/hit') >= 4 && times('/hit.gif') >= 2, 'all ways tried for both hits', 20);
      assert.equal(await text(), whole);
      assert.equal(await other.locator(own).textContent(), '–');
      assert.deepEqual(page.problems, []);
    } finally {
      await browser.close();
      await demo.stop();
    }
  });

  test('leaves nothing running when it is killed itself', async () => {
    const demo = await start_quickstart();
    const pids = readFileSync(`/proc/${demo.process.pid}/task/${demo.process.pid}/children`, 'utf8').trim().split(' ');
    assert.equal(pids.length, 2);
    await demo.stop('SIGKILL');
    await eventually(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), 'luot and nginx have ended', 15);
    rmSync(demo.folder, { recursive: true });
  });

  test('refuses what it does not know', async () => {
    for (const args of [['--prot', '1'], ['--port', 'x'], ['--port', '70000'], ['--port']]) {
      const quickstart = await start_quickstart(args, false);
      assert.equal(await quickstart.exit_status(), 2);
      assert.match(quickstart.errors, /^quickstart: .*\n$/);
    }
  });
});
