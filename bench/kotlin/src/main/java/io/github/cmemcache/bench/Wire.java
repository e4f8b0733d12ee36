package io.github.cmemcache.bench;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** The limit: one socket, requests made beforehand, replies of known length received and not looked at. */
final class Wire implements Peer {
    private static final byte[] NOT_LOOKED_AT = {};

    private record Exchange(byte[] request, int replyLength) {}

    private final Socket socket;
    private final InputStream input;
    private final OutputStream output;
    private final byte[] buffer = new byte[1 << 20];
    /** By the key, or by the list of all keys, which are the same objects in every call. */
    private final Map<Object, Exchange> reads = new IdentityHashMap<>();

    private final Map<Object, Exchange> writes = new IdentityHashMap<>();

    Wire(int port) throws Exception {
        socket = new Socket("127.0.0.1", port);
        socket.setTcpNoDelay(true);
        input = socket.getInputStream();
        output = socket.getOutputStream();
    }

    public byte[] get(Bench.Pairs pairs, int place) throws Exception {
        String key = pairs.keys().get(place);
        run(reads.computeIfAbsent(key, any -> read(List.of(key), List.of(pairs.values().get(place)))));
        return NOT_LOOKED_AT;
    }

    public void set(Bench.Pairs pairs, int place) throws Exception {
        String key = pairs.keys().get(place);
        run(writes.computeIfAbsent(key, any -> write(List.of(key), List.of(pairs.values().get(place)))));
    }

    public int getMulti(Bench.Pairs pairs) throws Exception {
        run(reads.computeIfAbsent(pairs.keys(), any -> read(pairs.keys(), pairs.values())));
        return pairs.keys().size();
    }

    public void setMulti(Bench.Pairs pairs) throws Exception {
        run(writes.computeIfAbsent(pairs.keys(), any -> write(pairs.keys(), pairs.values())));
    }

    private void run(Exchange exchange) throws Exception {
        output.write(exchange.request);
        for (int left = exchange.replyLength; left > 0; ) {
            int count = input.read(buffer, 0, Math.min(left, buffer.length));
            if (count < 0) throw new EOFException("the server closed the connection");
            left -= count;
        }
    }

    private static Exchange read(List<String> keys, List<byte[]> values) {
        int length = "END\r\n".length();
        for (int place = 0; place < keys.size(); place++) {
            int size = values.get(place).length;
            length += ("VALUE " + keys.get(place) + " 0 " + size + "\r\n").length() + size + 2;
        }
        return new Exchange(("get " + String.join(" ", keys) + "\r\n").getBytes(StandardCharsets.UTF_8), length);
    }

    private static Exchange write(List<String> keys, List<byte[]> values) {
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        for (int place = 0; place < keys.size(); place++) {
            byte[] value = values.get(place);
            request.writeBytes(("set " + keys.get(place) + " 0 0 " + value.length + "\r\n").getBytes(StandardCharsets.UTF_8));
            request.writeBytes(value);
            request.writeBytes("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        return new Exchange(request.toByteArray(), keys.size() * "STORED\r\n".length());
    }
}
