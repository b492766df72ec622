--- The decoder: tables of bytes in and netstrings out, each in every split.

local harness = require 'harness'
local netstring = require 'resty.exec.netstring'

local test, equal = harness.test, harness.equal

-- Everything that comes out of `pieces`, and the fault if there is one.
local function decoded(pieces)
    local decoder, out = netstring.decoder(), {}
    for _, piece in ipairs(pieces) do
        decoder:feed(piece)
        while true do
            local bytes, fault = decoder:take()
            if fault then
                return out, fault
            elseif not bytes then
                break
            end
            out[#out + 1] = bytes
        end
    end
    return out
end

local good = {
    { '0:,', { '' } },
    { '5:uname,', { 'uname' } },
    { '6:stdout,6:Linux\n,8:exitcode,1:0,', { 'stdout', 'Linux\n', 'exitcode', '0' } },
    { '12:0:,1:2,345:,,0:,3:,,,,', { '0:,1:2,345:,', '', ',,,' } },
    { '5:a\0b\r\n,', { 'a\0b\r\n' } },
    { '10:0123456789,', { '0123456789' } },
    { '3:ab', {} },
    { '3', {} },
}

for _, case in ipairs(good) do
    local input, wanted = case[1], case[2]
    test(('decodes %q however it is split'):format((input:gsub('%c', '?'))), function()
        for first = 0, #input do
            for second = first, #input do
                local pieces = { input:sub(1, first), input:sub(first + 1, second), input:sub(second + 1) }
                local got, fault = decoded(pieces)
                equal(fault, nil, 'fault')
                equal(table.concat(got, '|'), table.concat(wanted, '|'), 'split ' .. first .. ' ' .. second)
                equal(#got, #wanted, 'count')
            end
        end
        local single = {}
        for i = 1, #input do
            single[i] = input:sub(i, i)
        end
        equal(table.concat(decoded(single), '|'), table.concat(wanted, '|'), 'bytewise')
    end)
end

local bad = {
    { 'x:a,', 'must begin with its length' },
    { ':a,', 'must begin with its length' },
    { '-1:a,', 'must begin with its length' },
    { '01:a,', 'begins with a zero' },
    { '00:,', 'begins with a zero' },
    { '1234567890:', 'more than 9 digits' },
    { '99999999999999999999999', 'more than 9 digits' },
    { '3abc,', 'no colon' },
    { '3:abcd', 'no comma' },
    { '0:x', 'no comma' },
    { '1:a,x12', 'must begin with its length' },
}

for _, case in ipairs(bad) do
    test(('refuses %q'):format(case[1]), function()
        local _, fault = decoded { case[1] }
        harness.contains(fault, case[2], 'fault')
        local single = {}
        for i = 1, #case[1] do
            single[i] = case[1]:sub(i, i)
        end
        _, fault = decoded(single)
        harness.contains(fault, case[2], 'fault bytewise')
    end)
end

test('encodes what it decodes', function()
    local bytes = harness.bytes(100000)
    local got = decoded { netstring.encode(bytes), netstring.encode('') }
    equal(got[1], bytes)
    equal(got[2], '')
end)

test('a long netstring in small pieces is joined once', function()
    local decoder = netstring.decoder()
    decoder:feed('1000000:')
    equal(decoder:take(), nil)
    for _ = 1, 100000 do
        decoder:feed('0123456789')
        equal(decoder:take(), nil)
    end
    equal(decoder.count, 100000, 'pieces not joined so far')
    decoder:feed(',')
    equal(#decoder:take(), 1000000)
end)

harness.finish()
