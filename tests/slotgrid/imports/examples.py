"""Recipes of webtasks as its users write them, against the tests' site (`SITE` is its address)."""

LOGIN = """
# Log in and say who is there.
task "shop/login"
    pool default
    timeout 30000
    transport rest
    transport sse
    input user string default "reader" doc "Who"
    input password string required

    status "Opening the login"
    goto "SITE/login"
    wait until "input[name='user']" timeout 5000
    sendkeys "input[name='user']" keys "{{user}}"
    sendkeys "input[name='password']" keys "{{password}}"
    click "button" text "Log in" match exact
    wait-for "h1" timeout 5000
    extract account from "html"
        greeting text "h1" trim
        way_out  attr href on "a"
        source   const "account"
    end
end
"""

PAGING = """
# Read some pages of the catalogue.
name: shop/pages
poolTag: default
transports: [rest]
timeoutMs: 60000
input:
  pages: {type: list, required: false, default: [1, 2, "nowhere", 3], doc: Numbers of pages}
flow:
  - run: set
    as: base
    params: {value: "SITE/catalogue"}
  - run: for-each
    status: "Reading {{pages.length}} pages of {{base}}"
    params: {over: "{{pages}}", as: page, continueOnError: true}
    do:
      - run: goto
        params: {url: "{{base}}?page={{page}}"}
      - run: wait-for
        params: {selector: li.product, timeoutMs: 3000}
      - run: extract
        as: products
        params:
          selector: li.product
          repeat: true
          fields:
            name: {kind: text, selector: h2}
            link: {kind: attr, selector: "h2 a", name: href}
            price: {kind: text, selector: .price, transform: trim}
"""

LOOP = """
name: loops/until
timeoutMs: 30000
flow:
  - {run: goto, params: {url: "SITE/arrived"}}
  - {run: js, params: {script: "window.__n = 0; return true;"}}
  - run: loop
    params: {until: "window.__n >= 3", pauseMs: 10, maxIterations: 20}
    do:
      - run: js
        as: n
        params: {script: "window.__n += arguments[0]; return window.__n;", args: [1]}
      - {run: emit-event, params: {kind: progress, text: "round {{loop_index}}: {{n}}"}}
  - run: loop
    params: {while: "return window.__n < 5", pauseMs: 0, maxIterations: 1}
    do:
      - {run: js, params: {script: "window.__n += 1"}}
  - {run: js, as: total, params: {script: "return window.__n;"}}
  - {run: return, params: {value: "counted to {{total}}"}}
"""

CAPTURES = """
task "captures"
    timeout 60000
    input path string default "/tmp/demo/page.pdf"
    capture-network har includeBodies true urlFilter "/catalogue"
        console logs
            record clip fps 4 path "/tmp/clip.gif"
                do goto "SITE/catalogue"
                do js said console.log("hello from the page"); return 1
            end
        end
    end
    screenshot shot fullPage true format jpeg quality 60
    pdf doc path "{{path}}" format a4 landscape true
    html to pdf made content "<h1>Made</h1>" path "out/made.pdf"
    save html path "/tmp/a/page.html"
    snapshot page path "page.mhtml"
    let items "{{har.count}}"
end
"""

FILES = """
name: files/all
timeoutMs: 60000
flow:
  - {run: goto, params: {url: "SITE/catalogue"}}
  - run: extract
    as: rows
    params:
      selector: li.product
      repeat: true
      fields: {name: {kind: text, selector: h2}}
  - run: export
    as: table
    params: {format: csv, data: "{{rows}}", columns: [name], path: /tmp/rows.csv}
  - run: js
    as: made
    params:
      script: >-
        return {files: [{path: 'a/b.txt', content: 'B'}, {path: 'c.bin', bytesB64: 'QUI='}]};
  - {run: write-files, as: written, params: {root: out, files: "{{made.files}}"}}
  - run: http-request
    as: answer
    params: {method: get, url: "SITE/catalogue.json", headers: {X-Of: "{{rows.length}}"}}
  - run: set-cookies
    params: {cookies: [{name: seen, value: "1", url: "SITE/", sameSite: lax, expires: 0}]}
  - {run: get-cookies, as: jar, params: {path: /tmp/jar.json}}
  - run: js
    params:
      script: >-
        window.__webtasks_captures = [{id: 7, name: 'x.txt', bytesB64: 'WA=='}, {id: 8}]
  - {run: save-captures-to-dir, as: saved, params: {dir: out, naming: "{id}-{name}"}}
  - run: return
    params:
      value:
        rows: "{{rows.length}}"
        status: "{{answer.status}}"
        body: "{{answer.body}}"
        cookie: "{{jar.length}}"
        saved: "{{saved.length}}"
"""

CALLING = """
name: calls/outer
timeoutMs: 30000
setupTask: calls/prepare
input:
  word: {type: string, required: false, default: lamp}
flow:
  - {run: call, params: {task: calls/inner}}
  - {run: js, as: again, params: {fn: "tools/upper.js", args: ["{{found.title}}", 2]}}
"""

INNER = """
name: calls/inner
input:
  word: {type: string, required: true}
flow:
  - {run: goto, params: {url: "SITE/search?q={{word}}"}}
  - run: extract
    as: found
    params: {selector: html, fields: {title: {kind: text, selector: title}}}
"""

PREPARE = """
name: calls/prepare
flow:
  - {run: goto, params: {url: "SITE/cookies/set?prepared=1"}}
"""

DOWNLOADS = """
task "downloads/all"
    timeout 60000
    goto "SITE/catalogue"
    download each files selector "a[href='/downloads/small.csv']" timeout 20000
    return "{{files}}"
end
"""
