#include "tests/bench/fanout_client/client_options.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace carillon::bench {
namespace {

std::string contents_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || !in.is_open()) throw CLI::ValidationError(path, "cannot be read");
  return text;
}

template <class Take>
void each_line(const std::string& path, Take take) {
  std::ifstream in(path);
  if (!in.is_open()) throw CLI::ValidationError(path, "cannot be read");
  for (std::string line; std::getline(in, line);) take(line);
}

void split_url(const std::string& url, ClientOptions& options) {
  constexpr std::string_view kScheme = "https://";
  const std::size_t slash = url.find('/', kScheme.size());
  const std::size_t colon = url.find(':', kScheme.size());
  if (!url.starts_with(kScheme) || slash == std::string::npos || colon > slash) {
    throw CLI::ValidationError("--url", "must be https://ADDRESS:PORT/PATH");
  }
  options.host = url.substr(kScheme.size(), colon - kScheme.size());
  options.port = static_cast<std::uint16_t>(std::stoul(url.substr(colon + 1, slash - colon - 1)));
  options.authority = url.substr(kScheme.size(), slash - kScheme.size());
  options.path = url.substr(slash);
}

void read_headers(const std::string& path, ClientOptions& options) {
  each_line(path, [&](const std::string& line) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) throw CLI::ValidationError(path, "has a line without \": \"");
    options.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  });
}

void read_tokens(const std::string& path, ClientOptions& options) {
  each_line(path, [&](const std::string& line) {
    if (options.token_bytes == 0) options.token_bytes = line.size();
    if (line.empty() || line.size() != options.token_bytes) {
      throw CLI::ValidationError(path, "must hold tokens of one length, one a line");
    }
    options.tokens += line;
  });
  if (options.tokens.empty()) throw CLI::ValidationError(path, "holds no token");
}

}  // namespace

ClientOptions parse_client_options(int argc, char** argv) {
  ClientOptions options;
  std::string url, headers, body, tokens;
  CLI::App app("Sends the same POST many times over HTTP/2, as fast as one thread can",
               "fanout_client");
  app.add_option("--url", url, "https://ADDRESS:PORT/PATH")->required();
  app.add_option("--ca", options.ca_file, "PEM file with whom to trust")->required();
  app.add_option("--headers", headers, "File with one \"name: value\" a line")->required();
  app.add_option("--body", body, "File with the body")->required();
  app.add_option("--tokens", tokens, "File with what is appended to the path, one a line");
  app.add_flag("--apns-id", options.with_apns_id, "A header apns-id, another for each request");
  app.add_option("--requests", options.requests)->required()->check(CLI::PositiveNumber);
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 1000));
  app.add_option("--streams", options.streams)->check(CLI::Range(1, 100'000));
  try {
    app.parse(argc, argv);
    split_url(url, options);
    read_headers(headers, options);
    options.body = contents_of(body);
    if (!tokens.empty()) read_tokens(tokens, options);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

}  // namespace carillon::bench
