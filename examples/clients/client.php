#!/usr/bin/env php
<?php
// Runs a program through sockexec: php client.php SOCKET PROGRAM [ARGUMENT...]

// There is no exit code: a fault (100, 111, 126, 127), or a signal (128 and its number) is the exception's code.
class Failure extends RuntimeException {}

function netstring(string $data): string
{
    return strlen($data) . ":$data,";
}

/** Takes a whole netstring out of the buffer; null if there is none yet. */
function take(string &$buffer): ?string
{
    $start = (int) strpos($buffer, ':') + 1;
    $end = $start + (int) $buffer;
    if ($start === 1 || $end >= strlen($buffer)) {
        return null;
    }
    if ($buffer[$end] !== ',') {
        throw new Failure('the reply is cut off or malformed', 111);
    }
    $data = substr($buffer, $start, $end - $start);
    $buffer = substr($buffer, $end + 1);
    return $data;
}

/** Streams the output and returns the exit code. Both directions move at once: neither waits for the other. */
function run(string $path, array $argv, $stdin, $stdout, $stderr): int
{
    $connection = @stream_socket_client("unix://$path", $code, $reason);
    if (!$connection) {
        throw new Failure("$path: $reason", 111);
    }
    stream_set_blocking($connection, false);
    $out = implode('', array_map('netstring', [(string) count($argv), ...$argv]));
    [$in, $kind, $reason] = ['', null, ''];
    while (!feof($connection)) {
        // Input is read when the last piece is sent.
        $read = $out === '' && $stdin ? [$connection, $stdin] : [$connection];
        [$write, $except] = [$out === '' ? [] : [$connection], []];
        stream_select($read, $write, $except, null);
        if ($stdin && in_array($stdin, $read, true)) {
            $data = fread($stdin, 65536);
            $out = $data === '' && !feof($stdin) ? '' : netstring((string) $data);
            $stdin = $data === '' && feof($stdin) ? null : $stdin;
        }
        if ($write) {
            // Nothing is sent any more when the program has ended.
            $sent = @fwrite($connection, $out);
            [$out, $stdin] = $sent === false ? ['', null] : [substr($out, $sent), $stdin];
        }
        $in .= fread($connection, 65536);
        while (($data = take($in)) !== null) {
            if ($kind === null) {
                $kind = $data;
                continue;
            }
            if ($kind === 'termsig') {
                throw new Failure("ended by signal $data", 128 + (int) $data);
            }
            if ($kind === 'exitcode') {
                if (in_array((int) $data, [100, 111, 126, 127]) && str_starts_with($reason, 'sockexec: ')) {
                    throw new Failure("fault $data: " . trim($reason), (int) $data);
                }
                return (int) $data;
            }
            $reason = $kind === 'stderr' ? $data : $reason;
            fwrite($kind === 'stdout' ? $stdout : $stderr, $data);
            $kind = null;
        }
    }
    throw new Failure('the reply is cut off or malformed', 111);
}

if (realpath($argv[0]) === __FILE__) {
    try {
        exit(run($argv[1], array_slice($argv, 2), STDIN, STDOUT, STDERR));
    } catch (Failure $failure) {
        fwrite(STDERR, "client.php: {$failure->getMessage()}\n");
        exit($failure->getCode());
    }
}
