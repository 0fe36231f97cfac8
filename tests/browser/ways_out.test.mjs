// What others get out of luot by a browser's own means: badges in an <img>, live figures by an EventSource.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { eventually, launch, open_page, start_quickstart } from './support.mjs';

describe('ways out', () => {
  let demo, browser, page;

  before(async () => {
    demo = await start_quickstart();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });
  beforeEach(async () => { page = await open_page(browser); });
  afterEach(async () => {
    await page.context().close();
    assert.deepEqual(page.problems, []);
  });

  /** Width and height of the picture at an address, 0 when it is none. */
  const size_of = (source) => page.evaluate(async (src) => {
    const image = new Image();
    image.src = src;
    await image.decode().catch(() => {});
    return [image.naturalWidth, image.naturalHeight];
  }, source);

  const read = async (parameters) => (await fetch(`${demo.stats}/badge.svg?site=demo&${parameters}`)).text();

  test('a badge is a picture, as wide as its text is', async () => {
    await page.setContent('<p>');
    for (const route of ['badge.svg', 'count.svg']) {
      const [width, height] = await size_of(`${demo.stats}/${route}?site=demo`);
      assert.equal(height, 20);
      assert.ok(width > 60 && width < 200, `${width}`);
    }
    const [short] = await size_of(`${demo.stats}/badge.svg?site=demo&label=iii`);
    const [long] = await size_of(`${demo.stats}/badge.svg?site=demo&label=MMM`);
    assert.ok(long > short);
    assert.deepEqual(await size_of(`${demo.stats}/badge.svg?site=none`), [0, 0]);
  });

  test('no text of a badge is wider than its field', async () => {
    for (const label of ['lượt xem', 'Tổng số lượt truy cập', 'WWWWMMMM', 'iiiillll', 'views', '阅读', '']) {
      await page.setContent(await read(`label=${encodeURIComponent(label)}`));
      const fields = await page.locator('g rect').evaluateAll((all) => all.map((r) => r.getBoundingClientRect().width));
      const texts = await page.locator('g text').evaluateAll((all) => all.map((t) => t.getBoundingClientRect().width));
      assert.equal(texts.length, label ? 2 : 1);
      texts.forEach((width, i) => assert.ok(width <= fields[i] - 8, `${label}: ${width} in ${fields[i]}`));
    }
  });

  test('the picture of a 503 is drawn, too', async () => {
    const picture = await read('label=x');
    const server = createServer((request, response) => {
      response.writeHead(503, { 'Content-Type': 'image/svg+xml', 'Retry-After': '1' });
      response.end(picture);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await page.setContent('<p>');
    const [width] = await size_of(`http://127.0.0.1:${server.address().port}/badge.svg`);
    server.closeAllConnections();
    server.close();
    assert.ok(width > 0);
  });

  test('an EventSource hears of views as they are counted', async () => {
    await page.goto(demo.url);
    await page.evaluate((address) => {
      window.heard = [];
      window.source = new EventSource(address);
      window.source.onmessage = (event) => window.heard.push(JSON.parse(event.data));
    }, `${demo.stats}/api/v1/live?site=demo`);
    const heard = () => page.evaluate(() => window.heard);
    const first = (await eventually(async () => (await heard()).length && heard(), 'the first event'))[0];
    assert.equal(first.site, 'demo');
    const other = await open_page(browser);
    await other.goto(demo.url);
    await other.locator('article .meta [data-luot=page-views]').waitFor();
    const last = await eventually(async () => {
      const now = (await heard()).at(-1);
      return now.views > first.views && now.views_last_minute > 0 && now;
    }, 'an event with the view');
    assert.ok(last.online >= 1);
    await other.context().close();
    await page.evaluate(() => window.source.close());
  });
});
