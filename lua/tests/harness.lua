--- The test runner: names tests, counts them, reports differences. Works in nginx too.

local harness = { passed = 0, failed = 0, skipped = 0, ngx = rawget(_G, 'ngx') }

-- Inside nginx the answer to the request is the report.
local function report(line)
    if harness.ngx then
        harness.ngx.say(line)
    else
        print(line)
    end
end

local function shown(value)
    if type(value) ~= 'string' then
        return tostring(value)
    elseif #value > 200 then
        return ('%q… (%d bytes)'):format(value:sub(1, 200), #value)
    end
    return ('%q'):format(value)
end

--- Fails the test unless `got` is `wanted`.
function harness.equal(got, wanted, what)
    if got ~= wanted then
        error(('%s: got %s, wanted %s'):format(what or 'value', shown(got), shown(wanted)), 2)
    end
end

--- Fails the test unless `got` is a string with `part` in it.
function harness.contains(got, part, what)
    if type(got) ~= 'string' or not got:find(part, 1, true) then
        error(('%s: got %s, wanted %s in it'):format(what or 'value', shown(got), shown(part)), 2)
    end
end

--- Fails the test unless a reply has exactly these fields.
function harness.reply(res, err, wanted)
    if type(res) ~= 'table' then
        error('no reply: ' .. shown(err), 2)
    end
    for _, field in ipairs { 'stdout', 'stderr', 'exitcode', 'termsig', 'unknown' } do
        if res[field] ~= wanted[field] then
            error(('%s: got %s, wanted %s'):format(field, shown(res[field]), shown(wanted[field])), 2)
        end
    end
    harness.equal(err, nil, 'err')
end

function harness.test(name, body)
    local good, fault = pcall(body)
    if good then
        harness.passed = harness.passed + 1
        report('ok      ' .. name)
    else
        harness.failed = harness.failed + 1
        report('FAILED  ' .. name .. ': ' .. tostring(fault))
    end
end

function harness.skip(name, reason)
    harness.skipped = harness.skipped + 1
    report('SKIPPED ' .. name .. ': ' .. reason)
end

--- A sequence of bytes of all values in which every shift or loss shows.
function harness.bytes(count)
    local block = {}
    for i = 0, 2047 do
        local value = (i * 7 + math.floor(i / 256) * 31) % 256
        block[i + 1] = string.char(value)
    end
    block = table.concat(block)
    local out = {}
    for i = 1, math.ceil(count / (#block + 8)) do
        out[i] = ('%08d'):format(i) .. block
    end
    return table.concat(out):sub(1, count)
end

--- The closing line, for the script that adds them up.
function harness.finish()
    report(('counts %d %d %d'):format(harness.passed, harness.failed, harness.skipped))
end

return harness
