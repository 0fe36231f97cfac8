// luot-events.js: events of a page, for those that have some. Beside luot.js, which it does not need.
//
//   <script defer src="https://stats.example.vn/luot-events.js" data-site="skhcn"></script>
//   <a href="a.pdf" data-luot-event="download" data-luot-event-file="a.pdf">
//   luot.event('download', {file: 'a.pdf'});
//
// ES5 syntax, no inline style or script; its address says where hits go. The rule above all others is that of
// luot.js: whatever happens here, the page notices nothing. tests/browser/events.test.mjs.
(function (window, document) {
  function safe(run) {
    return function () {
      try {
        return run.apply(this, arguments);
      } catch (ignored) {}
    };
  }

  safe(function () {
    var script = document.currentScript || document.querySelector('[data-site][src*=luot-events]');
    var site = script.dataset.site;
    var route = script.src.replace(/[^\/]*([?#].*)?$/, 'hit');
    var prefix = 'data-luot-event-';
    var pending = {};  // id -> body of the hits that no answer has come for

    // Without an answer, or with a server's error: once more, 2 to 3 s later, by XMLHttpRequest. Its id makes
    // that it counts once.
    function send(id, again) {
      var request;
      var heard = safe(function (status) {
        if (again || status && status < 500) delete pending[id];
        else setTimeout(safe(send), 2e3 + 1e3 * Math.random(), id, 1);
      });
      try {
        if (window.fetch && !again) {
          fetch(route, {
            method: 'POST',
            body: pending[id],
            credentials: 'omit',
            keepalive: true  // it is sent also when the page is left
          }).then(function (answer) {
            heard(answer.status);
          })['catch'](heard);  // an Error is no status: no answer
        } else {
          request = new XMLHttpRequest();
          request.open('POST', route);
          request.onload = request.onerror = function () {
            heard(request.status);
          };
          request.send(pending[id]);
        }
      } catch (forbidden) {
        heard(0);
      }
    }

    function event(name, properties) {
      var id = ('' + Math.random() + Math.random()).replace(/\W/g, '');
      // As luot.js has it: a lone "%" is no address, and neither is one that is longer than any page's.
      var path = (location.pathname + location.search).replace(/%(?![\da-f]{2})/gi, '%25');
      pending[id] = JSON.stringify({
        s: site,
        p: path[2e3] ? location.pathname : path,
        n: name,
        d: properties,
        id: id,
        l: navigator.language,
        w: screen.width,
        b: navigator.webdriver ? 1 : 0,
        // luot.js keeps it where the site asks for it.
        tab: safe(function () {
          return sessionStorage.luot;
        })() || ''
      });
      send(id);
    }

    // The nearest element around it that names an event.
    function named(element) {
      while (element && !(element.getAttribute && element.getAttribute('data-luot-event'))) element = element.parentNode;
      return element;
    }

    function tell(element) {
      var properties = {};
      [].forEach.call(element.attributes, function (attribute) {
        if (!attribute.name.indexOf(prefix)) properties[attribute.name.slice(prefix.length)] = attribute.value;
      });
      event(element.getAttribute('data-luot-event'), properties);
    }

    // Included twice counts once; a page saved to disk is not counted.
    if (!site || window['luot-events:' + site] || !/^http/.test(location)) return;
    window['luot-events:' + site] = 1;
    window.luot = window.luot || {};
    window.luot.event = safe(event);

    // Where the page's own handlers stop what happened it has happened all the same: it is heard on its way down.
    document.addEventListener('click', safe(function (happened) {
      var element = named(happened.target);
      if (!/^form$/i.test(element.nodeName)) tell(element);  // a click into a form is none of its events
    }), true);
    document.addEventListener('submit', safe(function (happened) {
      if (named(happened.target) == happened.target) tell(happened.target);
    }), true);
    window.addEventListener('pagehide', safe(function () {
      Object.keys(pending).forEach(function (id) {
        navigator.sendBeacon(route, pending[id]);
      });
    }));
  })();
})(window, document);
