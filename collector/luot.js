// luot.js: the script for pages. Counts a view of the page and fills in the numbers it shows.
//
//   <script defer src="https://stats.example.vn/luot.js" data-site="skhcn"></script>
//
// ES5 syntax, every feature tested before use, no inline style or script, at most 2 kB gzipped once
// minified (tests/browser/script.test.mjs). All addresses are relative to this script's own. The rule
// above all others: whatever happens here, the page notices nothing. Every function that the browser
// calls is wrapped by safe(), so that window.onerror never sees us.
(function (window, document, navigator, location) {
  function safe(run) {
    return function () {
      try {
        return run.apply(this, arguments);
      } catch (ignored) {}
    };
  }

  function find(selector) {
    return document.querySelector(selector);
  }

  safe(function () {
    var script = document.currentScript || find('script[data-site][src*="luot.js"]');
    var site = script.getAttribute('data-site');
    var base = script.src.replace(/[^\/?#]*([?#].*)?$/, '');
    var page_language = document.documentElement.lang || 'vi';
    var pending = {};  // id -> body of the hits that no answer has come for
    var place;         // path and query of the newest view
    var address;       // its full address: the referrer of the next view of a single-page site
    var stated;        // what data-path or the canonical link said at the newest view
    var newest;        // id of the newest view's hit: only its answer may fill in numbers
    var timer;

    function listen(target, event, run) {
      target.addEventListener(event, safe(run));
    }

    // ---- what goes over the wire -------------------------------------------------------------

    // done(status, text, retry_after); status 0: no answer. Text needs no preflight; no cookies.
    function post(route, body, done) {
      var request;
      done = safe(done);
      try {
        if (window.fetch) {
          fetch(base + route, {
            method: 'POST',
            body: body,
            credentials: 'omit',
            keepalive: route == 'hit'  // browsers bound what they keep alive: hits are small
          }).then(function (answer) {
            return answer.text().then(function (text) {
              done(answer.status, text, answer.headers.get('Retry-After'));
            });
          })['catch'](function () {
            done(0);
          });
        } else {
          request = new XMLHttpRequest();
          request.open('POST', base + route);
          request.onload = request.onerror = function () {
            done(request.status, request.responseText);
          };
          request.send(body);
        }
      } catch (forbidden) {
        done(0);
      }
    }

    // done(status, parsed answer). No answer or a server's error: once more, after what Retry-After
    // asks for up to 10 s, spread so that the readers of a site do not come back all at once.
    function ask(route, body, done, again) {
      post(route, body, function (status, text, wait) {
        if (!again && (!status || status > 499)) {
          setTimeout(function () {
            ask(route, body, done, 1);
          }, Math.min(+wait || 2, 10) * (1e3 + Math.random() * 500));
        } else {
          done(status, safe(JSON.parse)(text) || {});
        }
      });
    }

    // ---- the hit -----------------------------------------------------------------------------

    // A lone "%" is what people type, but no address.
    function here() {
      return (location.pathname + location.search).replace(/%(?![\da-f]{2})/gi, '%25');
    }

    // `referrer` is given when a single-page site moved on and no new document was loaded.
    function view(referrer) {
      var id = newest = ('' + Math.random() + Math.random()).replace(/\W/g, '');
      var link = find('link[rel=canonical]');
      var section = find('meta[property="article:section"]');
      var said = script.getAttribute('data-path') || link && link.href;
      var own = place = here();
      var fields;

      // What did not move with the page is about the page before.
      if (said && !(referrer && said == stated)) own = said;
      stated = said;
      address = location.href;

      fields = {
        s: site,
        id: id,
        p: own,
        u: own == place || place.length > 2e3 ? '' : place,
        r: referrer || document.referrer,
        t: document.title,
        c: section ? section.content : '',
        l: navigator.language,
        w: screen.width,
        b: navigator.webdriver ? 1 : window._phantom || window.callPhantom ? 2 : 0
      };

      ask('hit', pending[id] = JSON.stringify(fields), function (status, answer) {
        var image;
        function answered() {
          delete pending[id];
          if (id == newest) read(answer.path || own, answer.token);
        }
        if (status) return answered();
        // Neither fetch nor XMLHttpRequest got through: they may be missing or forbidden here.
        image = new Image();
        image.onload = safe(answered);
        image.src = base + 'hit.gif?' + Object.keys(fields).map(function (name) {
          return name + '=' + encodeURIComponent(fields[name]);
        }).join('&');
      });
    }

    // ---- the numbers -------------------------------------------------------------------------

    function put(element, number, language) {
      // Not known: the element keeps what it holds.
      if (typeof number != 'number') return;
      element.textContent = element.getAttribute('data-format') == 'plain' ? number :
        // Only a browser that knows locales writes this one so.
        safe(function () {
          return (1e3).toLocaleString('de') == '1.000' && number.toLocaleString(language);
        })() || ('' + number).replace(/\B(?=(\d{3})+$)/g, /^en/i.test(language) ? ',' : '.');
    }

    function each(selector, run) {
      [].forEach.call(document.querySelectorAll(selector), run);
    }

    // The server takes 100 paths and 16 KiB at once: the first ones get their numbers.
    function read(own, token) {
      var id = newest, paths = [], room = 12e3, spans = [], summary = find('[data-luot-widget]') && 1;

      each('[data-luot],[data-luot-path]', function (element) {
        // page-views; or site-views, site-visits, site-online, and with -today those of today
        var words = (element.getAttribute('data-luot') || 'page-views').split('-');
        var path = words[0] == 'page' && (element.getAttribute('data-luot-path') || own);
        spans.push([element, words, path]);
        if (words[2]) summary = 1;
        if (path && paths.indexOf(path) < 0 && !paths[99] && (room -= path.length) > 0) {
          paths.push(path);
        }
      });

      if (spans[0] || summary) ask('api/v1/counts', JSON.stringify({
        site: site,
        paths: paths,
        after: token,
        summary: summary || 0
      }), function (status, answer) {
        if (id != newest) return;

        // An error has none of these members: what is missing throws, and nothing has changed yet.
        spans.forEach(function (span) {
          var words = span[1];
          put(span[0], ((span[2] ? answer.pages[span[2]] :
            words[2] ? answer.summary[words[2]] : answer) || {})[words[1]], page_language);
        });

        each('[data-luot-widget]', function (element) {
          var language = element.lang || page_language;
          var table = document.createElement('table');
          var title = element.getAttribute('data-title');

          if (title) table.createCaption().textContent = title;
          (/^vi/i.test(language) ?
            'Đang truy cập|Hôm nay|Hôm qua|Tuần này|Tháng này|Tổng lượt truy cập|Tổng số lượt xem' :
            'Online now|Today|Yesterday|This week|This month|Total visits|Total views'
          ).split('|').forEach(function (label, i) {
            var row = table.insertRow(), head = document.createElement('th');
            var period = ['today', 'yesterday', 'this_week', 'this_month'][i - 1];
            row.className = 'luot-row';
            head.scope = 'row';
            head.textContent = label;
            row.appendChild(head);
            put(row.insertCell(), period ? answer.summary[period].visits :
              answer[['online', 'visits', 'views'][i && i - 4]], language);
          });
          table.className = 'luot-widget';
          element.textContent = '';
          element.appendChild(table);
        });
      });
    }

    // ---- when --------------------------------------------------------------------------------

    // A single-page site went to another path. It may still be writing its title and canonical link,
    // or about to redirect: a moment later both are settled.
    function moved() {
      if (here() != place) {
        place = here();
        clearTimeout(timer);
        timer = setTimeout(safe(function () {
          view(address);
        }), 100);
      }
    }

    function wrap(name, then) {
      var original = history[name];
      if (original) history[name] = function () {
        var result = original.apply(this, arguments);
        safe(then)();
        return result;
      };
    }

    function start() {
      var early = document.prerendering ? 'prerenderingchange' :
        document.readyState == 'loading' && 'DOMContentLoaded';
      if (early) return listen(document, early, start);

      view();
      wrap('pushState', moved);
      wrap('replaceState', function () {
        place = here();
      });
      listen(window, 'popstate', moved);
      listen(window, 'pageshow', function (event) {
        if (event.persisted) view();
      });
      listen(window, 'pagehide', function () {
        for (var id in pending) navigator.sendBeacon(base + 'hit', pending[id]);
      });
    }

    // Included twice counts once; a page saved to disk is not counted.
    if (site && !window['luot:' + site] && /^http/.test(location.protocol)) {
      window['luot:' + site] = 1;
      start();
    }
  })();
})(window, document, navigator, location);
