#include "device-sim/gateway/client_connection.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace device_sim {
namespace {

std::string bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// SEQUENCE { topic UTF8String, SEQUENCE { kind UTF8String … }, topic, … }
std::vector<std::string> topics_of_extension(const X509* certificate) {
  const std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> id(
      OBJ_txt2obj("1.2.840.113635.100.6.3.6", 1), ASN1_OBJECT_free);
  const int at = X509_get_ext_by_OBJ(certificate, id.get(), -1);
  if (at < 0) return {};
  const ASN1_OCTET_STRING* content = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
  const unsigned char* begin = ASN1_STRING_get0_data(content);
  ASN1_SEQUENCE_ANY* items =
      d2i_ASN1_SEQUENCE_ANY(nullptr, &begin, static_cast<long>(ASN1_STRING_length(content)));
  std::vector<std::string> topics;
  for (int i = 0; i < sk_ASN1_TYPE_num(items); ++i) {
    const ASN1_TYPE* item = sk_ASN1_TYPE_value(items, i);
    if (item->type == V_ASN1_UTF8STRING) topics.push_back(bytes_of(item->value.utf8string));
  }
  sk_ASN1_TYPE_pop_free(items, ASN1_TYPE_free);
  return topics;
}

}  // namespace

ClientConnection read_client_certificate(ssl_st* ssl) {
  ClientConnection connection;
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return connection;
  if (SSL_get_verify_result(ssl) != X509_V_OK) {
    connection.certificate = ClientConnection::Certificate::kRefused;
    return connection;
  }
  connection.certificate = ClientConnection::Certificate::kTrusted;
  connection.is_authenticated = true;
  connection.topics = topics_of_extension(certificate);
  if (connection.topics.empty()) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_userId, -1);
    if (at >= 0) {
      const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, at);
      connection.topics.push_back(bytes_of(X509_NAME_ENTRY_get_data(entry)));
    }
  }
  ERR_clear_error();
  return connection;
}

}  // namespace device_sim
