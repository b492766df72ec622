#!/usr/bin/env ruby
# Runs a program through sockexec: ruby.rb SOCKET PROGRAM [ARGUMENT...]
require 'socket'

# No exit code: a fault (100, 111, 126, 127), or a signal (128 and its number).
Failure = Class.new(StandardError) { attr_accessor :code }

def failure(code, reason) = Failure.new(reason).tap { |error| error.code = code }

def netstring(data) = "#{data.bytesize}:".b + data.b + ','

def send_request(connection, argv, stdin)
  connection.write(*[argv.size.to_s, *argv].map { |word| netstring(word) })
  begin
    loop { connection.write(netstring(stdin.readpartial(65_536))) }
  rescue EOFError
    connection.write(netstring(''))
  end
rescue Errno::EPIPE, Errno::ECONNRESET
  # The program has ended without reading all of it.
rescue SystemCallError
  connection.shutdown # Input that breaks off is not input that ends.
  raise
end

def receive(connection)
  length = connection.gets(':', 10)
  data = connection.read(length.to_i) if length&.match?(/\A\d+:\z/)
  return data if data && data.bytesize == length.to_i && connection.read(1) == ','

  raise failure(111, 'the reply is cut off or malformed')
end

# Streams the output and returns the exit code. A thread sends: neither direction waits for the other.
def run(path, argv, stdin, stdout, stderr)
  connection = UNIXSocket.new(path)
  sender = Thread.new { send_request(connection, argv, stdin) }
  reason = ''
  loop do
    kind, data = receive(connection), receive(connection)
    case kind
    when 'stdout' then stdout.write(data)
    when 'stderr' then stderr.write(reason = data)
    when 'termsig' then raise failure(128 + data.to_i, "ended by signal #{data}")
    when 'exitcode'
      fault = %w[100 111 126 127].include?(data) && reason.start_with?('sockexec: ')
      raise failure(data.to_i, "fault #{data}: #{reason.strip}") if fault

      return data.to_i
    end
  end
ensure
  sender&.kill
  connection&.close
end

if $PROGRAM_NAME == __FILE__
  $stdout.binmode.sync = true
  begin
    exit run(ARGV.shift, ARGV, $stdin.binmode, $stdout, $stderr)
  rescue Failure, SystemCallError => e
    warn "ruby.rb: #{e.message}"
    exit(e.is_a?(Failure) ? e.code : 111)
  end
end
