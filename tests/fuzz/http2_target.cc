// The HTTP/2 session under whatever a peer sends, cut anywhere, with requests going.
//
//   input  := cut(1) ways(1) rest
//   cut    requests at the start (low half), size of the pieces (high half, kPieces)
//   ways   bits of Way
//   rest   the peer's bytes; or, with kFrames, a short form of frames, each
//          type(1) flags(1) stream(1) length(1) payload, after a SETTINGS frame
#include <array>
#include <set>
#include <string>
#include <vector>

#include "providers/http2/session.h"
#include "tests/fuzz/target.h"

namespace carillon::fuzz {
namespace {

using push::http2::Ending;
using push::http2::Session;
using push::http2::Stream;

constexpr std::size_t kPieces[16] = {1,  2,  3,  5,   7,   9,   16,   31,
                                     64, 99, 77, 128, 255, 512, 4096, 1 << 20};
enum Way : std::uint8_t {
  kFrames = 1,
  kStartsMore = 2,
  kCancels = 4,
  kPings = 8,
  kSaysGoaway = 16,
  kWritesLate = 32,  // what it has to say waits until the peer has said all
  kHandsHalf = 64,   // half of it reached the kernel
};
constexpr std::size_t kStreamsMax = 20;
constexpr std::size_t kRequestsMax = 200;
constexpr std::size_t kHighWaterBytes = 4096;

class Conversation {
 public:
  ~Conversation() {
    session_.abandon(0, "ConnectionLost");
    for (auto ended = session_.take_ended(); !ended.empty(); ended = session_.take_ended()) {
      for (Stream* stream : ended) session_.release(*stream);
    }
  }

  void start(std::size_t count) {
    for (; count > 0 && session_.room() > 0 && started_ < kRequestsMax; --count, ++started_) {
      expect(session_.open_count() < kStreamsMax, "no more streams than may be");
      Stream& stream = session_.acquire();
      stream.path = "/3/device/" + std::to_string(started_);
      stream.head = &head_;
      stream.body = {"{\"a\":", started_ % 3 == 0 ? "" : "\"token\"", "}"};
      stream.keep_body = started_ % 2 == 0;
      if (!session_.start(stream)) return session_.release(stream);
      expect(open_.insert(&stream).second, "a slot is one request's");
    }
  }

  bool receive(Bytes bytes) { return session_.receive(bytes).has_value(); }

  bool produce() {
    out_.clear();
    const bool good = session_.produce(out_, kHighWaterBytes).has_value();
    expect(out_.size() <= kHighWaterBytes + Session::kFrameBytesMax, "no more than asked for");
    produced_ += out_.size();
    return good;
  }

  void settle() {
    for (auto ended = session_.take_ended(); !ended.empty(); ended = session_.take_ended()) {
      for (Stream* stream : ended) {
        expect(open_.erase(stream) == 1, "a request ends once");
        expect(stream->ending != Ending::kOpen, "what has ended says how");
        expect(stream->ending != Ending::kAnswered || stream->status >= 200,
               "an answer is a final one");
        expect(stream->ending == Ending::kAnswered || *stream->word != '\0', "or says why not");
        expect(stream->answer_body.size() <= push::http2::kErrorBodyBytesMax, "bodies are cut");
        expect(stream->retry_after.size() <= 64 && stream->wns_status.size() <= 64, "headers, too");
        session_.release(*stream);
      }
    }
    expect(session_.open_count() == open_.size(), "the session counts as we do");
  }

  void end(std::uint64_t handed) {
    session_.abandon(handed, "ConnectionLost");
    settle();
    expect(open_.empty(), "every request ends");
    if (!session_.goaway()) return;
    expect(session_.goaway()->reason.size() <= 200, "a GOAWAY's reason is cut");
    for (const char c : session_.goaway()->reason) expect(c >= ' ' && c <= '~', "and printable");
  }

  Session& session() { return session_; }
  std::uint64_t produced() const { return produced_; }

 private:
  push::http2::RequestHead head_{.first = {push::http2::header_of(":method", "POST"),
                                           push::http2::header_of(":scheme", "https"),
                                           push::http2::header_of(":authority", "a.test")},
                                 .path_differs = true,
                                 .rest = {push::http2::header_of("authorization", "bearer x")}};
  Session session_{kStreamsMax};
  std::set<Stream*> open_;
  std::vector<std::uint8_t> out_;
  std::uint64_t produced_ = 0;
  std::size_t started_ = 0;
};

std::vector<std::uint8_t> write_frames(Bytes brief) {
  std::vector<std::uint8_t> wire = {0, 0, 0, 4, 0, 0, 0, 0, 0};  // SETTINGS
  while (brief.size() >= 4) {
    const std::size_t length = std::min<std::size_t>(brief[3], brief.size() - 4);
    wire.insert(wire.end(),
                {0, 0, static_cast<std::uint8_t>(length), brief[0], brief[1], 0, 0, 0, brief[2]});
    const Bytes payload = brief.subspan(4, length);
    wire.insert(wire.end(), payload.begin(), payload.end());
    brief = brief.subspan(4 + length);
  }
  return wire;
}

}  // namespace

void try_http2_session(Bytes input) {
  if (input.size() < 2) return;
  const std::size_t first_requests = input[0] & 15u;
  const std::size_t piece = kPieces[input[0] >> 4];
  const std::uint8_t ways = input[1];
  const auto has = [ways](Way way) { return (ways & way) != 0; };
  std::vector<std::uint8_t> wire(input.begin() + 2, input.end());
  if (has(kFrames)) wire = write_frames(input.subspan(2));

  Conversation conversation;
  Session& session = conversation.session();
  bool good = conversation.produce();
  bool first = true;
  for (std::size_t at = 0; good && at < wire.size(); at += piece) {
    good = conversation.receive({&wire[at], std::min(piece, wire.size() - at)});
    conversation.settle();
    if (!good) break;
    if (session.room() > 0 && (std::exchange(first, false) || has(kStartsMore))) {
      conversation.start(std::max<std::size_t>(first_requests, 1));
    }
    if (has(kCancels) && session.oldest() != nullptr && !session.oldest()->timed_out) {
      session.oldest()->timed_out = true;
      session.cancel(*session.oldest());
    }
    if (has(kPings)) session.submit_ping();
    if (!has(kWritesLate)) good = conversation.produce();
    conversation.settle();
  }
  if (good && has(kSaysGoaway)) session.submit_goaway();
  while (good) {
    const std::uint64_t before = conversation.produced();
    good = conversation.produce();
    conversation.settle();
    if (conversation.produced() == before) break;
  }
  conversation.end(has(kHandsHalf) ? conversation.produced() / 2 : conversation.produced());
}

}  // namespace carillon::fuzz
