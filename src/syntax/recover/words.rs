//! How each rule of the grammar is called in a message.
//!
//! One exhaustive match: a new rule does not compile until somebody has decided its name.

use crate::syntax::grammar::Rule;

/// A rule in the words of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    /// Something with a name: `a duration such as 5m`.
    Thing(&'static str),
    /// A word of the language.
    Keyword(&'static str),
    /// The statement may end here.
    End(&'static str),
    /// The expression may go on here: worth a word only where nothing else fits.
    Operator,
    /// Never named.
    Silent,
}

/// The words for a rule.
pub(crate) fn said(rule: Rule) -> Said {
    use Said::{End, Keyword, Operator, Silent, Thing};
    match rule {
        Rule::top_end => End("the next declaration"),
        Rule::env_end => End("the next line of the environment"),
        Rule::rollout_end => End("the next statement of the rollout"),
        Rule::phase_end => End("the next statement of the phase"),
        Rule::probe_end => End("the next step of the probe"),
        Rule::signoff_end => End("the next line of the signoff"),
        Rule::slo_end => End("the end of the objective"),
        Rule::score_end => End("the next part of the score"),
        Rule::test_end => End("the next line of the test"),
        Rule::number => Thing("a number"),
        Rule::value
        | Rule::primary
        | Rule::paren
        | Rule::literal
        | Rule::bool
        | Rule::ratio
        | Rule::points
        | Rule::rate
        | Rule::bytes
        | Rule::bad_date
        | Rule::bad_rate
        | Rule::spaced_unit
        | Rule::bad_literal => Thing("a value"),
        Rule::dur | Rule::duration => Thing("a duration such as `5m`"),
        Rule::cond => Thing("a condition"),
        Rule::expr => Thing("an expression"),
        Rule::name | Rule::member | Rule::path | Rule::reference | Rule::names | Rule::said | Rule::said_names => {
            Thing("a name")
        }
        Rule::type_name => Thing("a type or kind"),
        Rule::arg_name | Rule::arg => Thing("an argument"),
        Rule::dim => Thing("a dimension and its value"),
        Rule::text => Thing("a text in double quotes"),
        Rule::raw => Thing("a text between backticks"),
        Rule::colon => Thing("`:`"),
        Rule::equals => Thing("`=`"),
        Rule::comma => Thing("`,`"),
        Rule::close_paren => Thing("`)`"),
        Rule::close_bracket => Thing("`]`"),
        Rule::close_brace => Thing("`}`"),
        Rule::open_brace => Thing("`{`"),
        Rule::list => Thing("a list in `[ ]`"),
        Rule::env_block
        | Rule::rollout_block
        | Rule::phase_block
        | Rule::switch_block
        | Rule::probe_block
        | Rule::signoff_block
        | Rule::slo_block
        | Rule::score_block
        | Rule::test_block => Thing("a block in `{ }`"),
        Rule::consequence | Rule::consequence_word => Thing("a consequence"),
        Rule::act => Thing("`notify`, `run` or `snapshot`"),
        Rule::days | Rule::day_span => Thing("days such as `mon..fri`"),
        Rule::hours | Rule::hour_span | Rule::bad_hours => Thing("hours such as `09:00..17:00`"),
        Rule::setting => Thing("a setting such as `traffic x = 5%`"),
        Rule::binding => Thing("a binding such as `name = 2%`"),
        Rule::variant => Thing("a population and its matchers"),
        Rule::junk_top => Thing("a declaration"),
        Rule::junk_env | Rule::env_body => Thing("a line of an environment"),
        Rule::junk_rollout | Rule::rollout_body => Thing("a statement of a rollout"),
        Rule::junk_phase | Rule::phase_body => Thing("a statement of a phase"),
        Rule::junk_switch | Rule::switch_body => Thing("a statement of a kill switch"),
        Rule::junk_probe | Rule::probe_body | Rule::step => Thing("a step of a probe"),
        Rule::junk_signoff
        | Rule::signoff_body
        | Rule::artifact
        | Rule::sign_require
        | Rule::sign_by
        | Rule::expires => Thing("a line of a signoff"),
        Rule::junk_slo | Rule::slo_body | Rule::objective => Thing("an objective"),
        Rule::junk_score | Rule::score_body | Rule::score_part => Thing("a part of a score"),
        Rule::junk_test
        | Rule::test_body
        | Rule::assume
        | Rule::starts
        | Rule::given
        | Rule::inject
        | Rule::source_line
        | Rule::runner_line
        | Rule::action_line
        | Rule::operator_line
        | Rule::port_line
        | Rule::expect => Thing("a line of a test"),
        Rule::label => Thing("a dimension and its label"),
        Rule::slice_of => Keyword("`of`"),
        Rule::part_bad => Keyword("`bad`"),
        Rule::part_good => Keyword("`good`"),
        Rule::part_weight => Keyword("`weight`"),
        Rule::given_rolled => Keyword("`rolled back`"),
        Rule::given_recording => Keyword("`recording`"),
        Rule::population => Keyword("`stable`"),
        Rule::given_what => Thing("a metric or a call of the policy"),
        Rule::given_value => Thing("`= VALUE`"),
        Rule::given_ramp => Keyword("`ramps`"),
        Rule::lacks => Keyword("`lacks`"),
        Rule::no_history => Keyword("`keeps no history`"),
        Rule::approves => Keyword("`approves`"),
        Rule::kills => Keyword("`kills`"),
        Rule::as_who => Keyword("`as`"),
        Rule::resets => Keyword("`resets`"),
        Rule::drifts => Keyword("`drifts to`"),
        Rule::expect_not => Keyword("`no`"),
        Rule::expect_rollback => Keyword("`rollback`"),
        Rule::expect_phase => Keyword("`phase`"),
        Rule::expect_guard => Keyword("`guard`"),
        Rule::expect_port => Thing("a port and `is VALUE`"),
        Rule::expect_notified => Keyword("`notified`"),
        Rule::expect_ran => Keyword("`ran`"),
        Rule::expect_killed => Keyword("`killed`"),
        Rule::times => Thing("a number and `times`"),
        Rule::from_time => Keyword("`from`"),
        Rule::to_time => Keyword("`to`"),
        Rule::at_time => Keyword("`at`"),
        Rule::because => Keyword("`because`"),
        Rule::time => Thing("a time"),
        Rule::within | Rule::kw_within => Keyword("`within`"),
        Rule::otherwise | Rule::kw_else => Keyword("`else`"),
        Rule::tolerate | Rule::kw_tolerate => Keyword("`tolerate`"),
        Rule::guard_least | Rule::bound_least => Keyword("`at least`"),
        Rule::guard_from | Rule::kw_from => Keyword("`from`"),
        Rule::guard_until | Rule::kw_until => Keyword("`until`"),
        Rule::never_waived => Keyword("`never waived`"),
        Rule::limit | Rule::kw_limit => Keyword("`limit`"),
        Rule::per | Rule::kw_per => Keyword("`per`"),
        Rule::about | Rule::kw_about => Keyword("`about`"),
        Rule::timeout | Rule::kw_timeout => Keyword("`timeout`"),
        Rule::undo | Rule::kw_undo => Keyword("`undo`"),
        Rule::bound_most => Keyword("`at most`"),
        Rule::flag_values => Keyword("`in [..]`"),
        Rule::notify | Rule::kw_notify => Keyword("`notify`"),
        Rule::run_act | Rule::kw_run => Keyword("`run`"),
        Rule::EOI => End("the end of the statement"),
        Rule::or_undecided => Keyword("`or undecided`"),
        Rule::kw_action => Keyword("`action`"),
        Rule::kw_advance => Keyword("`advance`"),
        Rule::kw_after => Keyword("`after`"),
        Rule::kw_as => Keyword("`as`"),
        Rule::kw_at => Keyword("`at least`"),
        Rule::kw_at_time => Keyword("`at`"),
        Rule::kw_baseline => Keyword("`baseline`"),
        Rule::kw_by => Keyword("`by`"),
        Rule::kw_canary => Keyword("`canary`"),
        Rule::kw_channel => Keyword("`channel`"),
        Rule::kw_check => Keyword("`check`"),
        Rule::kw_checks => Keyword("`checks`"),
        Rule::kw_cooldown => Keyword("`cooldown`"),
        Rule::kw_data => Keyword("`data`"),
        Rule::kw_drift => Keyword("`drift`"),
        Rule::kw_edition => Keyword("`edition`"),
        Rule::kw_environment => Keyword("`environment`"),
        Rule::kw_events => Keyword("`events`"),
        Rule::kw_every => Keyword("`every`"),
        Rule::kw_flag => Keyword("`flag`"),
        Rule::kw_flags => Keyword("`flags`"),
        Rule::kw_for_rollout => Keyword("`for`"),
        Rule::kw_forever => Keyword("`forever`"),
        Rule::kw_guard => Keyword("`guard`"),
        Rule::kw_hold => Keyword("`hold`"),
        Rule::kw_in => Keyword("`in`"),
        Rule::kw_irreversible => Keyword("`irreversible`"),
        Rule::kw_kill => Keyword("`kill`"),
        Rule::kw_killswitch => Keyword("`killswitch`"),
        Rule::kw_label => Keyword("`label`"),
        Rule::kw_labels => Keyword("`labels`"),
        Rule::kw_least => Keyword("`least`"),
        Rule::kw_let => Keyword("`let`"),
        Rule::kw_link => Keyword("`link`"),
        Rule::kw_load => Keyword("`load`"),
        Rule::kw_metric => Keyword("`metric`"),
        Rule::kw_mirror => Keyword("`mirror`"),
        Rule::kw_most => Keyword("`most`"),
        Rule::kw_never => Keyword("`never waived`"),
        Rule::kw_no => Keyword("`no`"),
        Rule::kw_none => Keyword("`none`"),
        Rule::kw_not => Keyword("`not`"),
        Rule::kw_of => Keyword("`of`"),
        Rule::kw_on => Keyword("`on`"),
        Rule::kw_or => Keyword("`or`"),
        Rule::kw_owner => Keyword("`owner`"),
        Rule::kw_param => Keyword("`param`"),
        Rule::kw_people => Keyword("`people`"),
        Rule::kw_phase => Keyword("`phase`"),
        Rule::kw_probe => Keyword("`probe`"),
        Rule::kw_promote => Keyword("`promote`"),
        Rule::kw_promoted => Keyword("`promoted`"),
        Rule::kw_proven => Keyword("`proven`"),
        Rule::kw_ramp => Keyword("`ramp`"),
        Rule::kw_release => Keyword("`release`"),
        Rule::kw_require => Keyword("`require`"),
        Rule::kw_rollout => Keyword("`rollout`"),
        Rule::kw_route => Keyword("`route`"),
        Rule::kw_score => Keyword("`score`"),
        Rule::kw_settle => Keyword("`settle`"),
        Rule::kw_signoff => Keyword("`signoff`"),
        Rule::kw_since => Keyword("`since`"),
        Rule::kw_slice => Keyword("`slice`"),
        Rule::kw_slices => Keyword("`slices`"),
        Rule::kw_slo => Keyword("`slo`"),
        Rule::kw_snapshot => Keyword("`snapshot`"),
        Rule::kw_stable => Keyword("`stable`"),
        Rule::kw_start => Keyword("`start`"),
        Rule::kw_test => Keyword("`test`"),
        Rule::kw_to => Keyword("`to`"),
        Rule::kw_traffic => Keyword("`traffic`"),
        Rule::kw_undecided => Keyword("`undecided`"),
        Rule::kw_use => Keyword("`use`"),
        Rule::kw_variants => Keyword("`variants`"),
        Rule::kw_waived => Keyword("`waived`"),
        Rule::kw_when => Keyword("`when`"),
        Rule::kw_window => Keyword("`window`"),
        Rule::kw_with => Keyword("`with`"),
        Rule::kw_zone => Keyword("`zone`"),
        Rule::kw_aborts => Keyword("`aborts`"),
        Rule::kw_ago => Keyword("`ago`"),
        Rule::kw_approves => Keyword("`approves`"),
        Rule::kw_artifact => Keyword("`artifact`"),
        Rule::kw_assume => Keyword("`assume`"),
        Rule::kw_back => Keyword("`back`"),
        Rule::kw_bad => Keyword("`bad`"),
        Rule::kw_because => Keyword("`because`"),
        Rule::kw_drifts => Keyword("`drifts`"),
        Rule::kw_expect => Keyword("`expect`"),
        Rule::kw_expires => Keyword("`expires`"),
        Rule::kw_fails => Keyword("`fails`"),
        Rule::kw_given => Keyword("`given`"),
        Rule::kw_good => Keyword("`good`"),
        Rule::kw_hangs => Keyword("`hangs`"),
        Rule::kw_healthy => Keyword("`healthy`"),
        Rule::kw_history => Keyword("`history`"),
        Rule::kw_inject => Keyword("`inject`"),
        Rule::kw_is => Keyword("`is`"),
        Rule::kw_keeps => Keyword("`keeps`"),
        Rule::kw_killed => Keyword("`killed`"),
        Rule::kw_kills => Keyword("`kills`"),
        Rule::kw_resets => Keyword("`resets`"),
        Rule::kw_lacks => Keyword("`lacks`"),
        Rule::kw_notified => Keyword("`notified`"),
        Rule::kw_objective => Keyword("`objective`"),
        Rule::kw_operator => Keyword("`operator`"),
        Rule::kw_over => Keyword("`over`"),
        Rule::kw_part => Keyword("`part`"),
        Rule::kw_paused => Keyword("`paused`"),
        Rule::kw_pauses => Keyword("`pauses`"),
        Rule::kw_port => Keyword("`port`"),
        Rule::kw_ramps => Keyword("`ramps`"),
        Rule::kw_ran => Keyword("`ran`"),
        Rule::kw_recording => Keyword("`recording`"),
        Rule::kw_refused => Keyword("`refused`"),
        Rule::kw_resumes => Keyword("`resumes`"),
        Rule::kw_rolled => Keyword("`rolled`"),
        Rule::kw_rollback => Keyword("`rollback`"),
        Rule::kw_runner => Keyword("`runner`"),
        Rule::kw_source => Keyword("`source`"),
        Rule::kw_starts => Keyword("`starts`"),
        Rule::kw_step => Keyword("`step`"),
        Rule::kw_stops => Keyword("`stops`"),
        Rule::kw_times => Keyword("`times`"),
        Rule::kw_weight => Keyword("`weight`"),
        Rule::edition
        | Rule::param
        | Rule::let_
        | Rule::metric
        | Rule::traffic
        | Rule::flag
        | Rule::action
        | Rule::channel
        | Rule::use_
        | Rule::slice
        | Rule::flags
        | Rule::probe
        | Rule::load
        | Rule::killswitch
        | Rule::window
        | Rule::signoff
        | Rule::slo
        | Rule::score
        | Rule::test
        | Rule::environment
        | Rule::rollout => Thing("a declaration"),
        Rule::owner
        | Rule::link
        | Rule::check_every
        | Rule::settle
        | Rule::baseline
        | Rule::require
        | Rule::no_data
        | Rule::guard
        | Rule::reaction
        | Rule::release
        | Rule::advance
        | Rule::cooldown
        | Rule::start_slices
        | Rule::drift
        | Rule::route
        | Rule::after
        | Rule::phase
        | Rule::on_
        | Rule::every
        | Rule::at_
        | Rule::when_ => Thing("a statement of a rollout"),
        Rule::settings
        | Rule::run
        | Rule::hold
        | Rule::promote
        | Rule::hold_forever
        | Rule::hold_until
        | Rule::ramp
        | Rule::mirror
        | Rule::irreversible => Thing("a statement of a phase"),
        Rule::bind | Rule::variants | Rule::labels | Rule::people => Thing("a line of an environment"),
        Rule::infix
        | Rule::arithmetic
        | Rule::kw_for
        | Rule::kw_confidence
        | Rule::for_tail
        | Rule::confidence
        | Rule::neg
        | Rule::call_args
        | Rule::index => Operator,
        Rule::wc
        | Rule::digit
        | Rule::inline
        | Rule::comment
        | Rule::ws
        | Rule::item
        | Rule::top_start
        | Rule::env_entry
        | Rule::env_start
        | Rule::statement
        | Rule::rollout_start
        | Rule::guard_tail
        | Rule::phase_statement
        | Rule::phase_start
        | Rule::operand
        | Rule::prefix
        | Rule::goes_on
        | Rule::expr_tail
        | Rule::digits
        | Rule::decimal
        | Rule::date
        | Rule::clock
        | Rule::duration_unit
        | Rule::unit
        | Rule::foreign_unit
        | Rule::reserved
        | Rule::junk_unit
        | Rule::junk_group
        | Rule::file
        | Rule::env_only
        | Rule::rollout_only
        | Rule::phase_only
        | Rule::switch_only
        | Rule::probe_only
        | Rule::probe_start
        | Rule::signoff_only
        | Rule::signoff_line
        | Rule::signoff_start
        | Rule::slo_only
        | Rule::slo_start
        | Rule::score_only
        | Rule::score_start
        | Rule::test_only
        | Rule::test_line
        | Rule::test_start
        | Rule::clock_slip
        | Rule::bad_equals
        | Rule::given_that
        | Rule::expected => Silent,
    }
}
