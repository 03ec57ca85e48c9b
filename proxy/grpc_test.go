package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"backhand/proxy"
)

// Calls of gRPC, with its own library as client and as server, over real sockets.

// plainBytes is a codec of gRPC's whose messages are *[]byte, so that no .proto is needed.
type plainBytes struct{}

func (plainBytes) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (plainBytes) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (plainBytes) Name() string { return "plain" }

// callEnded is what the server notes of a call.
type callEnded struct {
	err      error // of its context
	deadline bool  // it had one
}

type grpcServer struct{ ended chan callEnded }

// unary answers with the message in upper case; "fail" fails, and "wait" waits until the client gives up.
func (s *grpcServer) unary(ctx context.Context, message string) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", strings.Join(md["x-from-client"], ",")))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "last", "x-bin", "\x00\xff"))
	switch message {
	case "fail":
		return "", status.Error(codes.FailedPrecondition, "not today: ünïcode, 100%")
	case "wait":
		<-ctx.Done()
		_, deadline := ctx.Deadline()
		s.ended <- callEnded{ctx.Err(), deadline}
		return "", ctx.Err()
	}
	return strings.ToUpper(message), nil
}

// stream answers each message twice, and ends when the client does, or with "fail".
func (s *grpcServer) stream(st grpc.ServerStream) error {
	st.SetTrailer(metadata.Pairs("x-trailer", "last"))
	for n := 0; ; n++ {
		var b []byte
		switch err := st.RecvMsg(&b); {
		case err == io.EOF:
			return nil
		case err != nil:
			s.ended <- callEnded{err: st.Context().Err()}
			return err
		case string(b) == "fail":
			return status.Errorf(codes.Aborted, "after %d messages", n)
		}
		for range 2 {
			answer := append([]byte("<"), append(b, '>')...)
			if err := st.SendMsg(&answer); err != nil {
				return err
			}
		}
	}
}

var grpcService = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Unary",
		Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var b []byte
			if err := dec(&b); err != nil {
				return nil, err
			}
			answer, err := srv.(*grpcServer).unary(ctx, string(b))
			b = []byte(answer)
			return &b, err
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName: "Stream", ServerStreams: true, ClientStreams: true,
		Handler: func(srv any, st grpc.ServerStream) error { return srv.(*grpcServer).stream(st) },
	}},
}

// startGRPC runs a server, and returns where.
func startGRPC(t *testing.T) (*grpcServer, *url.URL) {
	t.Helper()
	ln := listenAt(t, "127.0.0.1")
	gs := grpc.NewServer(grpc.ForceServerCodec(plainBytes{}))
	s := &grpcServer{ended: make(chan callEnded, 10)}
	gs.RegisterService(&grpcService, s)
	go func() { _ = gs.Serve(ln) }()
	t.Cleanup(gs.Stop)
	return s, &url.URL{Scheme: "h2c", Host: ln.Addr().String()}
}

func dialGRPC(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plainBytes{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestGRPC(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, at := startGRPC(t)
			c := dialGRPC(t, way(t, at, proxy.ServerConfig{}))
			t.Run("unary", func(t *testing.T) { testUnary(t, c) })
			t.Run("error", func(t *testing.T) { testGRPCError(t, c) })
			t.Run("stream", func(t *testing.T) { testGRPCStream(t, c) })
			t.Run("stream that fails", func(t *testing.T) { testGRPCStreamError(t, c) })
			t.Run("deadline and cancel", func(t *testing.T) { testGRPCEnds(t, c, server) })
		})
	}
}

func callUnary(ctx context.Context, c *grpc.ClientConn, message string, opts ...grpc.CallOption) (string, error) {
	in, out := []byte(message), []byte(nil)
	err := c.Invoke(ctx, "/test.Echo/Unary", &in, &out, opts...)
	return string(out), err
}

func testUnary(t *testing.T, c *grpc.ClientConn) {
	for _, message := range []string{"", "hello", strings.Repeat("long ", 200_000)} {
		var head, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-from-client", "a b")
		got, err := callUnary(ctx, c, message, grpc.Header(&head), grpc.Trailer(&trailer))
		if err != nil || got != strings.ToUpper(message) {
			t.Errorf("of %d bytes %d came back, %v", len(message), len(got), err)
		}
		if fmt.Sprint(head["x-head"], trailer["x-trailer"], trailer["x-bin"]) != "[a b] [last] [\x00\xff]" {
			t.Errorf("metadata: %v, %v", head, trailer)
		}
	}
}

func testGRPCError(t *testing.T, c *grpc.ClientConn) {
	var trailer metadata.MD
	_, err := callUnary(t.Context(), c, "fail", grpc.Trailer(&trailer))
	if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not today: ünïcode, 100%" || len(trailer["x-trailer"]) != 1 {
		t.Errorf("%v, trailers %v", err, trailer)
	}
	in := []byte("x")
	if err := c.Invoke(t.Context(), "/test.Echo/Nothing", &in, &in); status.Code(err) != codes.Unimplemented { // has no body
		t.Errorf("a method that there is not: %v", err)
	}
}

func openStream(ctx context.Context, t *testing.T, c *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	st, err := c.NewStream(ctx, &grpcService.Streams[0], "/test.Echo/Stream")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// exchangeMessages sends each message when the answers to the one before are there.
func exchangeMessages(t *testing.T, st grpc.ClientStream, messages ...string) {
	t.Helper()
	for _, m := range messages {
		b := []byte(m)
		if err := st.SendMsg(&b); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var got []byte
			if err := st.RecvMsg(&got); err != nil || string(got) != "<"+m+">" {
				t.Fatalf("%d bytes for %d, %v", len(got), len(m), err)
			}
		}
	}
}

func testGRPCStream(t *testing.T, c *grpc.ClientConn) {
	st := openStream(t.Context(), t, c)
	exchangeMessages(t, st, "a", "", strings.Repeat("b", 300_000), "c")
	if err := st.CloseSend(); err != nil {
		t.Error(err)
	}
	var b []byte
	if err := st.RecvMsg(&b); err != io.EOF || len(st.Trailer()["x-trailer"]) != 1 {
		t.Errorf("it ends with %v, %v", err, st.Trailer())
	}
}

func testGRPCStreamError(t *testing.T, c *grpc.ClientConn) {
	st := openStream(t.Context(), t, c)
	exchangeMessages(t, st, "a", "b")
	b := []byte("fail")
	if err := st.SendMsg(&b); err != nil {
		t.Fatal(err)
	}
	err := st.RecvMsg(&b)
	if s := status.Convert(err); s.Code() != codes.Aborted || s.Message() != "after 2 messages" || len(st.Trailer()["x-trailer"]) != 1 {
		t.Errorf("it ends with %v, %v", err, st.Trailer())
	}
}

// testGRPCEnds has the client give up: the server learns of it.
func testGRPCEnds(t *testing.T, c *grpc.ClientConn, server *grpcServer) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	// The server knows the deadline, too: if its clock is a little ahead, it resets the stream first, and that is a 502.
	deadline, _ := ctx.Deadline()
	_, err := callUnary(ctx, c, "wait")
	if code := status.Code(err); code != codes.DeadlineExceeded && (code != codes.Unavailable || time.Until(deadline) > 20*time.Millisecond) {
		t.Errorf("the deadline: %v", err)
	}
	if e := serverHears(t, server); !e.deadline || e.err == nil {
		t.Errorf("the server saw %+v", e)
	}
	ctx, cancel = context.WithCancel(t.Context())
	st := openStream(ctx, t, c)
	exchangeMessages(t, st, "a")
	cancel()
	if e := serverHears(t, server); !errors.Is(e.err, context.Canceled) {
		t.Errorf("the server saw %+v", e)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := callUnary(ctx, c, "wait"); status.Code(err) != codes.Canceled {
		t.Errorf("the cancel: %v", err)
	}
	if e := serverHears(t, server); e.deadline || !errors.Is(e.err, context.Canceled) {
		t.Errorf("the server saw %+v", e)
	}
}

func serverHears(t *testing.T, s *grpcServer) callEnded {
	t.Helper()
	select {
	case e := <-s.ended:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("the server goes on")
		return callEnded{}
	}
}
