// What comes into the relay from outside: HTTP, events, conditions, lines of an import.
#include <algorithm>
#include <string>
#include <vector>

#include "relay/api/chunked.h"
#include "relay/api/event_parser.h"
#include "relay/api/request_head.h"
#include "relay/audience/condition_parser.h"
#include "relay/audience/condition_printer.h"
#include "relay/import/csv_line.h"
#include "relay/import/registration_line.h"
#include "tests/fuzz/target.h"

namespace carillon::fuzz {

void try_event(Bytes input) {
  const auto event = api::parse_event(text_of(input));
  if (event) return;
  expect(!event.error().errors.empty(), "a fault says at least one thing");
  for (const auto& error : event.error().errors) {
    expect(error.pointer.empty() || error.pointer.front() == '/', "a pointer is RFC 6901's");
    expect(!error.detail.empty(), "and says what is wrong");
  }
}

void try_condition(Bytes input) {
  const auto condition = audience::parse_condition(text_of(input));
  if (!condition) return;
  const std::string printed = audience::print_condition(*condition);
  expect(printed.size() <= audience::kConditionBytesMax, "what is printed can be parsed");
  const auto again = audience::parse_condition(printed);
  expect(again.has_value() && *again == *condition, "what is printed means the same");
}

void try_import_line(Bytes input) {
  import::RegistrationLine line({.app = "", .known_apps = {"video"}, .push_origins = {}});
  line.set_now(1'763'700'000'000);
  const std::string padded =
      std::string(text_of(input)) + std::string(import::RegistrationLine::kPaddingBytes, '}');
  const auto device = line.parse(std::string_view(padded).substr(0, input.size()));
  if (!device) return expect(!device.error().empty(), "a fault says what is wrong");
  expect(device->app == "video", "only apps that there are");
  expect(!device->device.empty() && device->device.size() <= store::kNameBytesMax,
         "a device has a name within its limit");
  expect(!device->token.empty(), "and a token");
}

void try_csv_line(Bytes input) {
  import::CsvLine line;
  const auto fields = line.split(text_of(input));
  if (!fields) return expect(!fields.error().empty(), "a fault says what is wrong");
  std::vector<std::string> kept((*fields)->begin(), (*fields)->end());
  std::string written;
  for (const auto& field : kept) {
    if (&field != &kept.front()) written += ',';
    import::append_csv(field, written);
  }
  import::CsvLine other;
  const auto again = other.split(written);
  expect(
      again.has_value() && std::equal(kept.begin(), kept.end(), (*again)->begin(), (*again)->end()),
      "what is written is read back");
}

void try_request_head(Bytes input) {
  const std::string_view text = text_of(input);
  std::size_t scanned = 0;
  const auto end = api::find_head_end(text, &scanned);
  std::size_t step_scanned = 0;
  auto step_end = api::HeadEnd::kIncomplete;
  for (std::size_t size = 1; size <= text.size() && step_end == api::HeadEnd::kIncomplete; ++size) {
    step_end = api::find_head_end(text.substr(0, size), &step_scanned);
  }
  expect(step_end == end || text.empty(), "an end is found however the bytes come");
  if (end == api::HeadEnd::kFound) {
    expect(scanned == step_scanned && scanned <= text.size(), "at the same place");
  }
  const auto head =
      api::parse_head(text.substr(0, end == api::HeadEnd::kFound ? scanned : text.size()));
  if (!head) return;
  expect(head->method.size() <= api::kMethodBytesMax &&
             head->target.size() <= api::kTargetBytesMax &&
             head->fields.size() <= api::kHeaderFieldsMax,
         "a head is within its limits");
  expect(head->target.starts_with('/'), "a target has origin form");
  expect(!head->chunked || !head->content_length, "there is one framing");
  for (const auto& field : head->fields) {
    expect(field.name.find_first_of(" \t\r\n:") == std::string::npos, "a name is a name");
    expect(field.value.find_first_of("\r\n") == std::string::npos &&
               field.value.find('\0') == std::string::npos,
           "a value is one line");
  }
}

namespace {

struct Unchunked {
  std::string body;
  std::size_t used = 0;
  api::ChunkedDecoder::Step step = api::ChunkedDecoder::Step::kNeedsMore;
  friend bool operator==(const Unchunked&, const Unchunked&) = default;
};

Unchunked unchunk(std::string_view text, std::size_t piece) {
  using Step = api::ChunkedDecoder::Step;
  api::ChunkedDecoder decoder;
  Unchunked result;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view given = text.substr(at, piece);
    const auto step = decoder.next(given);
    expect(step.used <= given.size(), "no more is used than there is");
    at += step.used;
    result.step = step.step;
    result.used = at;
    result.body += step.data;
    if (step.step == Step::kEnd || step.step == Step::kMalformed) break;
    expect(step.used > 0, "it goes on");
    if (step.step == Step::kData) result.step = Step::kNeedsMore;
  }
  if (result.step == Step::kMalformed) result.used = 0;
  return result;
}

}  // namespace

void try_chunked_body(Bytes input) {
  const std::string_view text = text_of(input);
  const Unchunked whole = unchunk(text, text.size() + 1);
  expect(whole == unchunk(text, 1) && whole == unchunk(text, 3),
         "a body is the same however its bytes come");
  expect(whole.body.size() <= text.size(), "and shorter than its coding");
}

}  // namespace carillon::fuzz
