namespace Berth.Engine.Claude;

/// <summary>Each word by which the CLI says how it ended, and what that means. A test holds these tables against the
/// binary of the pinned CLI, so that a new version shows which words it has brought.</summary>
internal static class EndingTable
{
    /// <summary><c>subtype</c> of a result. Null: the word alone says nothing, and the others decide.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> Subtypes { get; } = Table(
        ("success", null),
        ("error_during_execution", null),
        ("error_max_turns", ClaudeEnding.MaxTurns),
        ("error_max_budget_usd", ClaudeEnding.Budget),
        ("error_max_structured_output_retries", ClaudeEnding.Structured));

    /// <summary><c>terminal_reason</c> of a result.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> TerminalReasons { get; } = Table(
        ("completed", null),
        ("api_error", null),
        ("max_turns", ClaudeEnding.MaxTurns),
        ("budget_exhausted", ClaudeEnding.Budget),
        ("structured_output_retry_exhausted", ClaudeEnding.Structured),
        ("blocking_limit", ClaudeEnding.PromptTooLong),
        ("prompt_too_long", ClaudeEnding.PromptTooLong),
        ("rapid_refill_breaker", ClaudeEnding.Thrashing),
        ("image_error", ClaudeEnding.Media),
        ("model_error", ClaudeEnding.QueryFailed),
        ("malformed_tool_use_exhausted", ClaudeEnding.ToolCallUnreadable),
        ("aborted_streaming", ClaudeEnding.Interrupted),
        ("aborted_tools", ClaudeEnding.Interrupted),
        ("hook_stopped", ClaudeEnding.HookStopped),
        ("stop_hook_prevented", ClaudeEnding.HookStopped),
        ("tool_deferred", ClaudeEnding.ToolDeferred),
        ("tool_deferred_unavailable", ClaudeEnding.ToolDeferred),
        ("background_requested", ClaudeEnding.Unfinished),
        ("turn_setup_failed", ClaudeEnding.SettingsRefused));

    /// <summary><c>stop_reason</c> of the last answer. Null: the answer came to its end.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> StopReasons { get; } = Table(
        ("end_turn", null),
        ("stop_sequence", null),
        ("tool_use", null),
        ("max_tokens", ClaudeEnding.OutputLimit),
        ("model_context_window_exceeded", ClaudeEnding.ContextFull),
        ("pause_turn", ClaudeEnding.Paused),
        ("compaction", ClaudeEnding.Paused),
        ("refusal", ClaudeEnding.Refused),
        ("tool_deferred", ClaudeEnding.ToolDeferred),
        ("tool_deferred_unavailable", ClaudeEnding.ToolDeferred));

    /// <summary><c>api_error</c>: the typed kind of an API error.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> ErrorKinds { get; } = Table(
        ("max_output_tokens", ClaudeEnding.OutputLimit),
        ("autocompact_thrashing", ClaudeEnding.Thrashing),
        ("malformed_tool_use_exhausted", ClaudeEnding.ToolCallUnreadable),
        ("empty_completion", ClaudeEnding.EmptyAnswer),
        ("message_over_context_limit", ClaudeEnding.PromptTooLong),
        ("pdf_too_large", ClaudeEnding.Media),
        ("pdf_password_protected", ClaudeEnding.Media),
        ("media_removed", ClaudeEnding.Media),
        ("dlp_request_denied", ClaudeEnding.Blocked),
        ("safety_monitor_blocked", ClaudeEnding.Blocked),
        ("hook_denied", ClaudeEnding.Blocked),
        ("field_not_granted", ClaudeEnding.Blocked),
        ("claude_code_version_too_old", ClaudeEnding.CliTooOld),
        ("effort_requires_thinking", ClaudeEnding.Rejected),
        ("advisor_incompatible", ClaudeEnding.Rejected),
        ("tool_history_mismatch", ClaudeEnding.Rejected),
        ("stored_login_refused", ClaudeEnding.Authentication),
        ("oauth_refresh_store_refused", ClaudeEnding.Authentication),
        ("provider_credentials", ClaudeEnding.Authentication),
        ("gateway_signin_required", ClaudeEnding.Authentication),
        ("gateway_session_expired", ClaudeEnding.Authentication),
        ("api_key_auth_disabled", ClaudeEnding.Authentication),
        ("org_disabled_credential", ClaudeEnding.Authentication),
        ("invalid_credential_header", ClaudeEnding.Authentication),
        ("named_profile_unusable", ClaudeEnding.Authentication),
        ("model_requires_usage_credits", ClaudeEnding.Billing),
        ("long_context_credits_required", ClaudeEnding.Billing),
        ("consent_unanswered", ClaudeEnding.Billing),
        ("no_allowed_fallback", ClaudeEnding.ModelNotFound),
        ("model_substitution_disabled", ClaudeEnding.ModelNotFound),
        ("usage_limit_reached", ClaudeEnding.UsageLimit),
        ("connection_failed", ClaudeEnding.Unreachable),
        ("network_edge_blocked", ClaudeEnding.Unreachable),
        ("tls_untrusted_ca", ClaudeEnding.Unreachable),
        ("tls_cert_signature_failure", ClaudeEnding.Unreachable),
        ("gateway_content_type", ClaudeEnding.AnswerInvalid),
        ("no_response", ClaudeEnding.Stalled),
        ("stream_idle_timeout", ClaudeEnding.Stalled),
        ("computer_slept", ClaudeEnding.Stalled),
        ("unattended_start_limit", ClaudeEnding.Unfinished),
        ("unattended_start_unconfirmed", ClaudeEnding.Unfinished));

    /// <summary><c>error</c> of the message that stands for an API error.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> MessageErrors { get; } = Table(
        ("authentication_failed", ClaudeEnding.Authentication),
        ("oauth_org_not_allowed", ClaudeEnding.Authentication),
        ("account_on_hold", ClaudeEnding.Authentication),
        ("verification_required", ClaudeEnding.Authentication),
        ("cloud_credential_error", ClaudeEnding.Authentication),
        ("billing_error", ClaudeEnding.Billing),
        ("rate_limit", ClaudeEnding.RateLimited),
        ("overloaded", ClaudeEnding.Overloaded),
        ("invalid_request", ClaudeEnding.Rejected),
        ("model_not_found", ClaudeEnding.ModelNotFound),
        ("server_error", ClaudeEnding.ServerError),
        ("max_output_tokens", ClaudeEnding.OutputLimit),
        ("unknown", null));

    /// <summary><c>api_error_type</c>: the type that the service gave its error.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> ServiceErrors { get; } = Table(
        ("invalid_request_error", ClaudeEnding.Rejected),
        ("authentication_error", ClaudeEnding.Authentication),
        ("permission_error", ClaudeEnding.Authentication),
        ("billing_error", ClaudeEnding.Billing),
        ("not_found_error", ClaudeEnding.ModelNotFound),
        ("request_too_large", ClaudeEnding.PromptTooLong),
        ("rate_limit_error", ClaudeEnding.RateLimited),
        ("overloaded_error", ClaudeEnding.Overloaded),
        ("timeout_error", ClaudeEnding.Stalled),
        ("policy_blocked", ClaudeEnding.Blocked),
        ("api_error", ClaudeEnding.ServerError));

    /// <summary><c>startup_failure_reason</c> of a result that was written before anything began.</summary>
    public static IReadOnlyDictionary<string, ClaudeEnding?> StartupReasons { get; } = Table(
        ("org_pin_api_key_conflict", ClaudeEnding.SettingsRefused),
        ("provider_not_allowed", ClaudeEnding.SettingsRefused),
        ("org_verify_failed", ClaudeEnding.SettingsRefused),
        ("org_pin_mismatch", ClaudeEnding.SettingsRefused),
        ("managed_settings_invalid", ClaudeEnding.SettingsRefused),
        ("remote_settings_required_unavailable", ClaudeEnding.SettingsRefused),
        ("org_config_required_unavailable", ClaudeEnding.SettingsRefused),
        ("org_config_refused", ClaudeEnding.SettingsRefused),
        ("sandbox_required_unavailable", ClaudeEnding.SettingsRefused),
        ("gateway_signin_required", ClaudeEnding.Authentication),
        ("gateway_access_denied", ClaudeEnding.Authentication),
        ("cli_version_too_old", ClaudeEnding.CliTooOld),
        ("proxy_invalid", ClaudeEnding.SurroundingsRefused),
        ("temp_dir_unusable", ClaudeEnding.SurroundingsRefused),
        ("cwd_unavailable", ClaudeEnding.SurroundingsRefused),
        ("shell_tool_missing", ClaudeEnding.SurroundingsRefused),
        ("config_file_invalid", ClaudeEnding.SurroundingsRefused),
        ("session_held_by_background", ClaudeEnding.CalledWrongly),
        ("worktree_resume_refused", ClaudeEnding.CalledWrongly),
        ("worktree_unverified", ClaudeEnding.CalledWrongly),
        ("bypass_root", ClaudeEnding.CalledWrongly),
        ("initialize_not_first", ClaudeEnding.CalledWrongly),
        ("managed_settings_not_delivered", ClaudeEnding.CalledWrongly),
        ("initialize_fields_not_delivered", ClaudeEnding.CalledWrongly));

    // Errors to which the CLI gives no kind at all. Their texts may change, so they come last.
    private static readonly (string Text, ClaudeEnding Ending)[] Texts =
    [
        ("Not logged in", ClaudeEnding.Authentication),
        ("Unable to connect", ClaudeEnding.Unreachable),
        ("Connection dropped", ClaudeEnding.Unreachable),
        ("Connection error", ClaudeEnding.Unreachable),
        ("Stream ended without receiving any events", ClaudeEnding.AnswerInvalid),
        ("empty or malformed response", ClaudeEnding.AnswerInvalid),
        ("timed out", ClaudeEnding.Stalled),
        ("No conversation found", ClaudeEnding.NoSession),
        ("Usage credits ran out", ClaudeEnding.Billing),
        ("Prompt is too long", ClaudeEnding.PromptTooLong),
        ("Request too large", ClaudeEnding.PromptTooLong),
    ];

    /// <summary>What the status of a refused request means, or null where there is none.</summary>
    public static ClaudeEnding? OfStatus(int? status) => status switch
    {
        null => null,
        400 or 422 => ClaudeEnding.Rejected,
        401 or 403 => ClaudeEnding.Authentication,
        402 => ClaudeEnding.Billing,
        404 => ClaudeEnding.ModelNotFound,
        408 or 504 => ClaudeEnding.Stalled,
        413 => ClaudeEnding.PromptTooLong,
        429 => ClaudeEnding.RateLimited,
        451 => ClaudeEnding.Blocked,
        529 => ClaudeEnding.Overloaded,
        >= 500 => ClaudeEnding.ServerError,
        _ => ClaudeEnding.OtherStatus,
    };

    /// <summary>What a text of the CLI's means, or null where it is none that is known.</summary>
    public static ClaudeEnding? OfText(string said) =>
        Texts.FirstOrDefault(known => said.Contains(known.Text, StringComparison.Ordinal)).Ending;

    /// <summary>What a word means: null where it is missing, says nothing by itself or is not known.</summary>
    public static ClaudeEnding? Find(this IReadOnlyDictionary<string, ClaudeEnding?> table, string? word) =>
        word is null ? null : table.GetValueOrDefault(word);

    /// <summary>Whether a word is given that the table does not have.</summary>
    public static bool Misses(this IReadOnlyDictionary<string, ClaudeEnding?> table, string? word) =>
        word is not null && !table.ContainsKey(word);

    private static Dictionary<string, ClaudeEnding?> Table(params (string Word, ClaudeEnding? Ending)[] rows) =>
        rows.ToDictionary(row => row.Word, row => row.Ending, StringComparer.Ordinal);
}
